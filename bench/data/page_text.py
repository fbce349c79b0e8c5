"""The text of one document: words in lines, their byte spans, boxes and confidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from shared.words import BOX_SCALE, Word

MAX_CHARACTERS = 1_000_000  # of a document; what is longer is cut, and the manifest says so


class PageText(NamedTuple):
    """What was read of one page; w words."""

    text: str
    words: list[list[int]]  # w x 7: first byte, end byte; left, top, right, bottom (thousandths); confidence (per cent)
    length: int  # characters, before the text was cut

    @property
    def cut(self) -> bool:
        """Whether the end is missing."""
        return self.length > MAX_CHARACTERS

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Spans (int32, w x 2), boxes (uint16, w x 4), confidence (uint8, w), as `shared.words` stores them."""
        table = np.array(self.words, np.int32).reshape(-1, 7)
        return table[:, :2], table[:, 2:6].astype(np.uint16), table[:, 6].astype(np.uint8)


NOTHING = PageText("", [], 0)


def storable(text: str) -> str:
    """The text as a store can hold it: lone surrogates, which UTF-8 has not, become question marks."""
    return text.encode("utf-8", errors="replace").decode("utf-8")


def plain_text(text: str) -> PageText:
    """A text without places, cut where it is too long."""
    kept = storable(text)
    return PageText(kept[:MAX_CHARACTERS], [], len(kept))


def page_text(lines: Iterable[Sequence[Word]]) -> PageText:
    """Words of an engine to one text: single spaces within a line, line ends between lines.

    Words that are blank are dropped, white space within a word becomes one space, boxes are clipped to the page.

    >>> page_text([[Word("to", (0, 0, 9, 9), 90)], [Word("be", (0, 9, 9, 20), 70)]])
    PageText(text='to\\nbe', words=[[0, 2, 0, 0, 9, 9, 90], [3, 5, 0, 9, 9, 20, 70]], length=5)
    """
    parts: list[str] = []
    words: list[list[int]] = []
    num_bytes = length = 0
    for line in lines:
        separator = "\n" if parts else ""
        for word in line:
            content = " ".join(storable(word.text).split())
            if not content:
                continue
            length += len(separator) + len(content)
            if length > MAX_CHARACTERS:
                continue
            start = num_bytes + len(separator)
            num_bytes = start + len(content.encode())
            parts.append(separator + content)
            box = [min(max(edge, 0), BOX_SCALE) for edge in word.box]
            words.append([start, num_bytes, *box, min(max(word.confidence, 0), 100)])
            separator = " "
    return PageText("".join(parts), words, length)


def joined(pages: Sequence[PageText]) -> PageText:
    """The texts of a document's pages as one, cut where it is too long; words are those of the first page.

    >>> joined([PageText("to", [[0, 2, 0, 0, 9, 9, 90]], 2), PageText("", [], 0), PageText("be", [], 2)])
    PageText(text='to\\nbe', words=[[0, 2, 0, 0, 9, 9, 90]], length=5)
    """
    texts = [page for page in pages if page.text]
    length = sum(page.length for page in texts) + max(0, len(texts) - 1)
    text = "\n".join(page.text for page in texts)
    return PageText(text[:MAX_CHARACTERS], pages[0].words, length)


def thousandths(box: tuple[float, float, float, float], width: float, height: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels to thousandths of a page.

    >>> thousandths((10, 20, 50, 40), 100, 200)
    (100, 100, 500, 200)
    """
    left, top, right, bottom = box
    across, down = BOX_SCALE / width, BOX_SCALE / height
    return round(left * across), round(top * down), round(right * across), round(bottom * down)
