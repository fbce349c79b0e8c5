"""Tables and lines for a person, as wide as the terminal: no figure is broken, and nothing is shown that tells nothing.

Columns without content are left out, columns in which all rows agree can be said once above. What is wider than the
terminal is stacked: first a cell's interval goes below its value and texts into several lines, then columns go into
further tables that repeat the key columns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.terminal.printable import markdown_text, printable, printable_lines

NOTHING = "-"
PIPED_WIDTH = 200  # characters, where the output is no terminal and nothing says how wide it shall be
GAP = 2  # characters between two columns
# what stays in one line: an interval, a figure with its unit, a word
PIECE = re.compile(r"\[[-+\d., ]+\]\S*|[-+]?\d[\d.,]* (?:%|[A-Za-z]+)\S*|\S+")
FIGURE = re.compile(r"[-+]?\d")
LONGEST_PIECE = 24  # characters: an interval of large figures stays whole on the narrowest terminal


def stdout() -> Console:
    """Standard output; COLUMNS says how wide it is where it is no terminal."""
    console = Console(soft_wrap=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(width=PIPED_WIDTH)


def say(console: Console, lines: Iterable[object]) -> None:
    """Lines as they are, no markup; broken between words where the width is known, further lines indented."""
    wrap = console.is_terminal or "COLUMNS" in os.environ
    for line in lines:
        parts = wrapped(printable(line), console.width, indent=2) if wrap else [printable(line)]
        for part in parts:
            console.print(Text(part), soft_wrap=True, highlight=False)


def print_grid(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
    keys: int = 1,
    once: Collection[str] = (),
    title: str | None = None,
    figures: bool = True,
    styles: Mapping[str, str] | None = None,
) -> None:
    """One table, or several below each other where one would be too wide.

    Args:
        console: its width is what must not be exceeded, if any table of one column and the keys can be so narrow.
        headings: a name a column.
        rows: a text a column each.
        keys: how many of the first columns name a row; they are in every table.
        once: headings of columns that are said above the table instead, where all rows agree.
        title: above it.
        figures: whether columns of figures are set to the right.
        styles: text of a whole cell to how it is set apart ("bold red").
    """
    texts = [[printable_lines(cell) for cell in row] for row in rows]
    columns = {heading: [row[place] for row in texts] for place, heading in enumerate(headings)}
    said = [f"{name}: {columns[name][0]}" for name in headings if name in once and len({*columns[name]}) == 1]
    shown = {
        name: column
        for place, (name, column) in enumerate(columns.items())
        if not (name in once and len({*column}) == 1) and (place < keys or any(map(is_content, column)))
    }
    say(console, [*([title] if title else []), *(["; ".join(said)] if said else [])])
    named = [name for name in headings[:keys] if name in shown]
    for place, names in enumerate(tables(shown, named, console.width)):
        if place:
            console.print()
        print_columns(console, {name: shown[name] for name in names}, figures, styles or {})


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Headings and rows as a table of Markdown; what they hold is text."""
    head, *body = [[*map(markdown_text, line)] for line in (headings, *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(headings), *body])


def is_content(text: str) -> bool:
    """Whether a cell holds anything."""
    return text not in ("", NOTHING)


def tables(columns: Mapping[str, Sequence[str]], keys: Sequence[str], width: int) -> list[list[str]]:
    """The columns of each table: as many as fit at their narrowest, in their order, at least one beside the keys."""
    least = {name: narrowest(name, column, width) for name, column in columns.items()}
    result = [[*keys]]
    for name in (name for name in columns if name not in keys):
        together = [*result[-1], name]
        if len(together) > len(keys) + 1 and sum(least[each] + GAP for each in together) - GAP > width:
            together = [*keys, name]
            result.append(together)
        result[-1] = together
    return result


def narrowest(heading: str, column: Sequence[str], width: int) -> int:
    """How narrow a column can be: its longest piece; of one that takes half the terminal (a path) less."""
    pieces = [piece for text in (heading, *column) for piece in PIECE.findall(text)]
    return min(max(map(cell_len, pieces), default=1), max(LONGEST_PIECE, width // 2))


def print_columns(
    console: Console, columns: Mapping[str, Sequence[str]], figures: bool, styles: Mapping[str, str]
) -> None:
    """One table, its columns as wide as their content if that fits, else narrower, the widest first."""
    least = {name: narrowest(name, column, console.width) for name, column in columns.items()}
    widths = dict(least)
    for name, column in columns.items():
        longest = max((cell_len(line) for text in (name, *column) for line in text.splitlines()), default=0)
        widths[name] = max(least[name], min(longest, console.width))
    room = console.width - GAP * (len(columns) - 1)
    while sum(widths.values()) > room and (wide := [name for name in columns if widths[name] > least[name]]):
        widths[max(wide, key=widths.__getitem__)] -= 1
    grid = Table(box=SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
    for name, column in columns.items():
        right = figures and is_figures(column)
        grid.add_column(lined(name, widths[name]), justify="right" if right else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        grid.add_row(
            *(lined(text, widths[name], styles.get(text, "")) for name, text in zip(columns, row, strict=True))
        )
    # where not even the narrowest columns fit, the terminal breaks lines; a figure that is cut off would be another one
    full = sum(widths.values()) + GAP * (len(columns) - 1)
    screen, console.width = console.width, max(console.width, full)
    try:
        console.print(grid)
    finally:
        console.width = screen


def is_figures(column: Sequence[str]) -> bool:
    """Whether every cell that holds anything begins with a figure."""
    return all(FIGURE.match(text) for text in column if is_content(text)) and any(map(is_content, column))


def lined(text: str, width: int, style: str = "") -> Text:
    """A cell in as many lines as it needs."""
    return Text("\n".join(part for line in text.splitlines() for part in wrapped(line, width)), style)


def wrapped(line: str, width: int, indent: int = 0) -> list[str]:
    """A line in parts of at most a width, broken between pieces; only a piece that is longer itself is cut.

    >>> wrapped("182.64 [155.58, 208.74] samples/s", 18)
    ['182.64', '[155.58, 208.74]', 'samples/s']
    """
    if cell_len(line) <= width:
        return [line]
    parts = [""]
    for piece in PIECE.findall(line):
        if parts[-1].strip() and cell_len(parts[-1]) + 1 + cell_len(piece) > width:
            parts.append(" " * indent)
        joined = parts[-1] + (" " if parts[-1].strip() else "") + piece
        first, *others = chop_cells(joined, max(width, 1)) if cell_len(joined) > width else [joined]
        parts[-1:] = [first, *(" " * indent + other for other in others)]
    return parts
