"""Text from outside (names of classes, files and stores, reasons, log lines) as something a terminal can be given.

A name may hold an escape sequence that retitles the window, a mark that turns the reading direction, half a surrogate
pair that no encoding takes, or what rich reads as markup. Whatever prints text that the project did not write itself
passes it through here; nothing else escapes.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:  # rich is imported where something is drawn: `bench --help` draws nothing
    from rich.text import Text

JOINERS = "\u200c\u200d"  # format characters that names in Persian, Hindi and emoji need, and that reorder nothing
TAG = re.compile(r"<(?=[A-Za-z/!?])")  # what Markdown takes for HTML, or for a link
BLOCK = re.compile(r"^(?=#{1,6}\s|>|[-+*]\s|\[[^\]]*\]:|-{3}|={3}|\*{3}|~{3}|`{3})")  # a line that is more than text
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})  # control, format, surrogate, unassigned, line, paragraph


def printable(text: object, limit: int | None = None) -> str:
    r"""One line that shows every character: those that a terminal would act upon are written as escapes.

    Args:
        limit: the most characters of the result; a longer one ends with an ellipsis.

    >>> printable("red \x1b[31m"), printable("a\nb"), printable("[old]"), printable("abcdef", limit=4)
    ('red \\x1b[31m', 'a\\nb', '[old]', 'abc…')
    """
    given = str(text)
    if limit is not None:
        given = given[: limit + 1]  # escapes only lengthen it, and a name may have megabytes
    shown = given if given.isprintable() else "".join(map(_shown, given))
    return shown if limit is None or len(shown) <= limit else shown[: limit - 1] + "…"


def printable_lines(text: object) -> str:
    r"""The same of several lines: the ends of lines stay.

    >>> printable_lines("a\x07\r\nb\n")
    'a\\x07\nb'
    """
    return "\n".join(map(printable, str(text).splitlines()))


def markdown_text(text: object) -> str:
    r"""One line of Markdown that shows a text and does nothing: no tag, no link or picture, no heading, no new column.

    What is harmless stays legible as it is: an interval's brackets, a name's underscores.

    >>> markdown_text("a <b>| ![x](http://y)"), markdown_text("# x\n- y"), markdown_text("p < 0.05 [1, 2]")
    ('a &lt;b>/ ![x]\\(http://y)', '\\# x - y', 'p < 0.05 [1, 2]')
    """
    line = printable(" ".join(str(text).split())).replace("|", "/").replace("](", "]\\(")
    return BLOCK.sub(r"\\", TAG.sub("&lt;", line))


def cell(text: object, limit: int | None = None) -> Text:
    """For a column of a rich table or a title of one: as it is, no markup."""
    from rich.text import Text

    return Text(printable(text, limit))


def passed_over(line: str) -> None:
    """Say on standard error, in red, that a record could not be read and that everything else goes on without it."""
    click.secho(f"bench: passed over: {printable(line)}", err=True, fg="red")


def _shown(character: str) -> str:
    if unicodedata.category(character) not in HIDDEN or character in JOINERS:
        return character
    return character.encode("unicode_escape").decode("ascii")
