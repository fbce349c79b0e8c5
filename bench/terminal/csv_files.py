"""Tables as CSV that is safe to open: nothing in them is a formula to a spreadsheet.

Records come from anybody, and a text that begins like a formula is computed when the file is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

FORMULA = ("=", "+", "-", "@", "\t", "\n")  # how a formula, or what hides one, begins


def no_formula(value: Any) -> Any:
    """A text that a spreadsheet would compute, with an apostrophe before it, which makes it a text there; all else as
    it is, but for ends of lines: pandas puts only line feeds into quotation marks.

    >>> no_formula("=HYPERLINK(1)"), no_formula(-1.5), no_formula("-1.5"), no_formula("a=b")
    ("'=HYPERLINK(1)", -1.5, '-1.5', 'a=b')
    """
    if not isinstance(value, str):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    if not text.startswith(FORMULA):
        return text
    try:
        float(text)  # a number that was written as a text computes nothing
    except ValueError:
        return f"'{text}"
    return text


def csv_text(table: DataFrame) -> str:
    """A table as CSV, its texts and the names of its columns made harmless."""
    return str(table.rename(columns=no_formula).map(no_formula).to_csv(index=False))
