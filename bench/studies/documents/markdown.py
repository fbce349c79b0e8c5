"""Pieces of Markdown from which both pages are put together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.terminal.printable import TAG

DEEPEST = 6  # levels of headings that Markdown knows
HEADING = re.compile(r"^(#+)(?= )", re.MULTILINE)
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def demoted(text: str, levels: int) -> str:
    r"""Markdown with its headings some levels deeper; blocks of code stay as they are.

    >>> demoted("# a\n\n```\n# no heading\n```\n", 2)
    '### a\n\n```\n# no heading\n```\n'
    """
    parts = FENCE.split(text)
    parts[::2] = [HEADING.sub(lambda found: "#" * min(DEEPEST, len(found[1]) + levels), part) for part in parts[::2]]
    return "".join(parts)


def joined(parts: Iterable[str]) -> str:
    """Blocks of a page, an empty line between them; those without content are left out."""
    return "\n\n".join(text for part in parts if (text := part.strip("\n")))


def bullets(lines: Iterable[str]) -> str:
    """A list."""
    return "\n".join(f"- {line}" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; its cells are Markdown already, without a vertical bar or a line's end."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [headings, ["---"] * len(headings), *rows])


def code(text: object) -> str:
    """A text in code."""
    return f"`{text}`"


def fenced(text: str) -> str:
    """Lines as they are."""
    return f"```text\n{text.rstrip()}\n```"


def either(words: Iterable[str]) -> str:
    """
    >>> either(["a", "b", "c"]), either(["a"])
    ('a, b or c', 'a')
    """
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last


def prose(text: str) -> str:
    """A text in one line; a tag in it is shown and does nothing."""
    return TAG.sub("&lt;", " ".join(text.split()))
