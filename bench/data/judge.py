"""Failures of single pages judged together: where all of the first fail for one reason, it is not the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from bench.terminal.printable import printable
from shared.errors import UserError

FIRST_PAGES = 24

T = TypeVar("T")


class Judge:
    """Looks at what became of page after page of one stage."""

    def __init__(self, what: str, total: int) -> None:
        """`what` fails is said in the message: "OCR (tesseract)", "reading the pages"; `total` pages are to come."""
        self.what = what
        self.total = total
        self.num_seen = 0
        self.reason: str | None = None  # of all pages so far
        self.failing = True  # whether all pages so far have failed for it

    def note(self, reason: str | None) -> None:
        """Note what became of a page: why it failed, or None.

        Raises:
            UserError: it is the last of the first pages (or of all), and all of them have failed for one reason.
        """
        if not self.failing:
            return
        self.failing = reason is not None and self.reason in (None, reason)
        self.reason = reason
        self.num_seen += 1
        if self.failing and self.num_seen == min(self.total, FIRST_PAGES):
            all_pages = "all" if self.num_seen == self.total else "the first"
            raise UserError(
                f"{self.what}: {all_pages} {self.num_seen} pages failed for one reason: {printable(reason)}; nothing "
                "was made: mend that and run the same command again"
            )


def spread_first(items: Sequence[T]) -> list[T]:
    """The same items, FIRST_PAGES of them that lie evenly apart before the others: a sample of all, not of one folder.

    >>> spread_first(list(range(48)))[:3]
    [0, 2, 4]
    """
    step = max(1, len(items) // FIRST_PAGES)
    first = range(0, len(items), step)[:FIRST_PAGES]
    chosen = set(first)
    return [items[i] for i in first] + [item for i, item in enumerate(items) if i not in chosen]
