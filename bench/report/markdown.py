"""The report as Markdown: the same sections without figures, logs and settings of single cells."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from bench.report.blocks import Block, Card, Cards, Chapter, Heading, Notes, Table, Text
from bench.terminal.printable import printable

# what would make something else than text of a text; a vertical bar would end a table's cell
SPECIAL = re.compile(r"([\\`*_\[\]])")


def escaped(text: str) -> str:
    """A text as Markdown that shows it as it is, in one line."""
    return SPECIAL.sub(r"\\\1", html.escape(printable(" ".join(text.split())), quote=False)).replace("|", "/")


def markdown(chapters: Sequence[Chapter]) -> str:
    """The whole report."""
    parts = []
    for chapter in chapters:
        parts += [f"# {escaped(chapter.title)}", f"**{escaped(chapter.answer)}**"]
        parts += ["\n".join(f"- **{escaped(notice.text)}**" for notice in chapter.notices)] if chapter.notices else []
        parts += [escaped(chapter.lead)]
        for section in chapter.sections:
            texts = [text for block in section.blocks if (text := of_block(block))]
            parts += [f"## {escaped(section.title)}", *texts] if texts else []
    return "\n\n".join(parts) + "\n"


def of_block(block: Block) -> str:
    """One block; nothing of figures, logs and what is folded."""
    match block:
        case Table():
            return of_table(block)
        case Text(text, tone):
            return f"**{escaped(text)}**" if tone else escaped(text)
        case Heading(text):
            return f"### {escaped(text)}"
        case Notes(lines):
            return "\n".join(f"- {escaped(line)}" for line in lines)
        case Cards(cards):
            return "\n".join(of_card(card) for card in cards)
    return ""


def of_card(card: Card) -> str:
    """A place of the comparison in a line."""
    sides = ", ".join(f"{escaped(bar.label)} {escaped(bar.text)}" for bar in card.bars)
    return f"- {escaped(card.title)}: {sides}. **{escaped(card.verdict)}**"


def of_table(table: Table) -> str:
    """A table with its caption above, numbers to the right."""
    lines = [
        "| " + " | ".join(map(escaped, table.headings)) + " |",
        "| " + " | ".join("---:" if numeric else "---" for numeric in table.numeric) + " |",
        *("| " + " | ".join(escaped(cell.text) for cell in row) + " |" for row in table.rows),
    ]
    return f"*{escaped(table.caption)}*\n\n" + "\n".join(lines)
