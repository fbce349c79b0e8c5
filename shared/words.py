"""The words that OCR found on each page, with their places: what layout models read beside the text.

Part of a prepared store, found through `word_offsets.npy` (int64, N + 1): the words of page i are rows
offsets[i] .. offsets[i + 1] of `word_spans.npy` (int32, W x 2: first byte and end within the page's text),
`word_boxes.npy` (uint16, W x 4: left, top, right, bottom in thousandths of the page's width and height, as LayoutLM
counts) and `word_confidence.npy` (uint8, W: per cent, as the engine reports it).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.outside import read_array
from shared.store import Store
from shared.store_check import BOX_SCALE as BOX_SCALE  # whoever reads words imports it from here

OFFSETS, SPANS, BOXES, CONFIDENCE = "word_offsets.npy", "word_spans.npy", "word_boxes.npy", "word_confidence.npy"
WORD_FILES = (OFFSETS, SPANS, BOXES, CONFIDENCE)


class Word(NamedTuple):
    """One word of a page."""

    text: str
    box: tuple[int, int, int, int]  # left, top, right, bottom, thousandths of the page
    confidence: int  # per cent


@dataclass(frozen=True)
class Words:
    """The words of every page of a store."""

    store: Store
    offsets: np.ndarray  # int64, N + 1
    spans: np.ndarray  # int32, W x 2, bytes
    boxes: np.ndarray  # uint16, W x 4
    confidence: np.ndarray  # uint8, W

    def page(self, index: int) -> list[Word]:
        """The words of a page in reading order."""
        assert self.store.text is not None
        data = self.store.text[index].encode("utf-8")
        rows = range(self.offsets[index], self.offsets[index + 1])
        return [
            Word(
                data[self.spans[row, 0] : self.spans[row, 1]].decode("utf-8"),
                (int(self.boxes[row, 0]), int(self.boxes[row, 1]), int(self.boxes[row, 2]), int(self.boxes[row, 3])),
                int(self.confidence[row]),
            )
            for row in rows
        ]


def folded(text: str) -> str:
    """A text as answers are compared: small letters, white space as one blank."""
    return " ".join(text.lower().split())


def write_words(folder: Path, pages: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Write the words of all pages: spans (int32, w x 2), boxes (uint16, w x 4), confidence (uint8, w) of each."""
    spans, boxes, confidence, offsets = [], [], [], [0]
    for page_spans, page_boxes, page_confidence in pages:
        spans.append(page_spans.reshape(-1, 2))
        boxes.append(page_boxes.reshape(-1, 4))
        confidence.append(page_confidence)
        offsets.append(offsets[-1] + len(page_confidence))
    arrays: dict[str, np.ndarray] = {
        OFFSETS: np.array(offsets, np.int64),
        SPANS: np.concatenate([np.zeros((0, 2), np.int32), *spans]).astype(np.int32),
        BOXES: np.concatenate([np.zeros((0, 4), np.uint16), *boxes]).astype(np.uint16),
        CONFIDENCE: np.concatenate([np.zeros(0, np.uint8), *confidence]).astype(np.uint8),
    }
    for name, array in arrays.items():
        np.save(folder / name, array, allow_pickle=False)


def read_words(store: Store) -> Words | None:
    """The words of a store; None where its text was not read by OCR."""
    if OFFSETS not in store.manifest["bytes"]:
        return None
    return Words(store, *(read_array(store.path / name, mapped=True) for name in WORD_FILES))
