"""What a report is made of, whatever it is written as: sections of tables, texts, figures and folded parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

from bench.show.tables import NOTHING
from bench.statistics import intervals
from bench.statistics.intervals import Estimate

# a figure alone, or before its unit or interval
FIGURE = re.compile(r"([+-]?\d+(?:\.\d+)?)(?= |$)")

Tone = Literal["", "good", "warn", "bad"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table."""

    text: str
    order: float | None = None  # what a column of numbers is sorted by; None: by its text
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table; a column with numbers in it is sorted by them and set to the right."""

    kind: ClassVar[str] = "table"
    name: str  # unique on the page: its anchor, and what a link to a sorted view names
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    @cached_property  # the template asks at every cell
    def numeric(self) -> tuple[bool, ...]:
        """Of each column, whether it holds numbers."""
        return tuple(any(row[place].order is not None for row in self.rows) for place in range(len(self.headings)))


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    kind: ClassVar[str] = "heading"
    text: str


@dataclass(frozen=True)
class Notes:
    """Short remarks, one below the other."""

    kind: ClassVar[str] = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Bar:
    """One side in a card."""

    label: str
    text: str
    share: float  # of the card's longest bar, 0 to 1
    side: str  # pt, tf: its colour


@dataclass(frozen=True)
class Card:
    """One place of a comparison at a glance."""

    title: str
    bars: tuple[Bar, ...]
    verdict: str
    tone: Tone = ""


@dataclass(frozen=True)
class Cards:
    """Cards side by side."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Picture:
    """A figure."""

    kind: ClassVar[str] = "picture"
    svg: str  # an <svg> element whose ids are unique on the page
    label: str  # for who cannot see it
    beside: bool = False  # of what follows it, where the window is wide


@dataclass(frozen=True)
class Log:
    """Text as a program wrote it."""

    kind: ClassVar[str] = "log"
    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks behind a line that opens them."""

    kind: ClassVar[str] = "folded"
    title: str
    blocks: tuple[Block, ...]
    tone: Tone = ""


Block = Table | Text | Heading | Notes | Cards | Picture | Log | Folded


@dataclass(frozen=True)
class Section:
    """A part of the page that can be linked to."""

    name: str  # its anchor
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Chapter:
    """All sections of a run, or of the comparison of runs."""

    name: str  # its anchor
    short: str  # the run's name, for the list of contents
    title: str  # what was compared
    answer: str  # in a sentence
    lead: str  # how it was measured, in a line
    notices: tuple[Text, ...]  # what must be known before a figure is read
    sections: tuple[Section, ...]


def number(value: float | None, digits: int, tone: Tone = "") -> Cell:
    """A number with fixed digits."""
    return Cell(NOTHING) if value is None else Cell(f"{value:,.{digits}f}", value, tone)


def estimated(estimate: Estimate | None, digits: int, tone: Tone = "") -> Cell:
    """An estimate with its interval; sorted by the estimate."""
    return Cell(NOTHING) if estimate is None else Cell(intervals.text(estimate, digits), estimate.value, tone)


def table(name: str, caption: str, rows: Sequence[dict[str, Cell | str]]) -> Table:
    """A table from its rows; a column in which no row has anything is left out."""
    cells = [{head: cell if isinstance(cell, Cell) else Cell(cell) for head, cell in row.items()} for row in rows]
    present = [
        head for head in (cells[0] if cells else ()) if any(row[head].text not in ("", NOTHING) for row in cells)
    ]
    return Table(name, caption, tuple(present), tuple(tuple(row[head] for head in present) for row in cells))


def texts_table(
    name: str, caption: str, headings: Sequence[str], rows: Sequence[Sequence[str]], figures: bool = False
) -> Table:
    """A table of texts.

    Args:
        figures: whether a column of which every text begins with a figure, or is empty, holds numbers.
    """
    columns = list(zip(*rows, strict=True))
    numeric = [
        figures and any(leading(text) is not None for text in column) and all(map(is_figure, column))
        for column in columns
    ]
    cells = (
        tuple(Cell(text, leading(text) if numeric[place] else None) for place, text in enumerate(row)) for row in rows
    )
    return Table(name, caption, tuple(headings), tuple(cells))


def is_figure(text: str) -> bool:
    """Whether a text is a figure with what belongs to it, or nothing."""
    return text in ("", NOTHING) or FIGURE.match(text) is not None


def leading(text: str) -> float | None:
    """The figure that a text begins with.

    >>> leading("79.5 [79.0, 80.1]"), leading("-10 %"), leading("0.99/0.95"), leading("-")
    (79.5, -10.0, None, None)
    """
    found = FIGURE.match(text)
    return None if found is None else float(found[1])
