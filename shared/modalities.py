"""What a network can read of a document, and how a batch of it is made. A store holds it, or it is derived from one.

A family names the modalities that it reads, with their settings; one that reads several gets them of the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared.store import Store

Parts = Literal["documents", "windows", "questions"]  # a whole text, a window of one, a question with a window


@dataclass(frozen=True)
class Pages:
    """The page as an image, grey."""

    pixels: int  # height and width


@dataclass(frozen=True)
class Tokens:
    """The text as token ids, padded."""

    width: int  # T, tokens of a text
    truncation: str  # see shared.wordpiece.kept_ends
    vocabulary_size: int  # of the vocabulary that is trained where none is given
    parts: Parts = "documents"  # what a row of the store is
    stride: int = 0  # tokens that two windows of a document share


@dataclass(frozen=True)
class Boxes:
    """Where on the page each token stands: the box of its word."""

    scale: int  # of the page's width and height


@dataclass(frozen=True)
class Words:
    """The text as ids of whole words (`shared.word_tokens`), padded."""

    width: int  # words of a text, or of each of its sentences
    vocabulary_size: int  # at most so many, the most frequent of the training split
    sentences: int = 0  # of a text that is cut into sentences; 0: it is one row of words


Modality = Pages | Tokens | Boxes | Words


def page_pixels(store: Store, samples: np.ndarray, size: int) -> np.ndarray:
    """The pages of some samples (uint8, size x H x W), filled up with black ones."""
    assert store.pixels is not None, "the plan gives a store what its workload reads"
    pixels = np.zeros((size, *store.pixels.shape[1:]), np.uint8)
    pixels[: len(samples)] = store.pixels[store.document_of(samples)]
    return pixels


def text_tokens(store: Store, samples: np.ndarray, size: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The texts of some samples: token ids (int32, size x width) and tokens before the padding (int32, size).

    A row that only fills up has one token: attention over nothing would be 0 / 0.
    """
    assert store.tokens is not None and store.lengths is not None, "the plan gives a store what its workload reads"
    tokens, lengths = np.zeros((size, width), np.int32), np.ones(size, np.int32)
    tokens[: len(samples)] = store.tokens[samples, :width]
    lengths[: len(samples)] = store.lengths[samples]
    return tokens, lengths


def token_boxes(store: Store, samples: np.ndarray, size: int, width: int) -> np.ndarray:
    """The boxes of some samples' tokens (int32, size x width x 4: left, top, right, bottom), filled up with zeros, as
    what is no word's has them."""
    assert store.token_boxes is not None, "the plan gives a store what its workload reads"
    boxes = np.zeros((size, width, 4), np.int32)
    boxes[: len(samples)] = store.token_boxes[samples, :width]
    return boxes


def longest_text(store: Store, samples: np.ndarray) -> int:
    """Tokens of the longest of some texts, padding not counted; 1 of none."""
    assert store.lengths is not None, "the plan gives a store what its workload reads"
    return int(store.lengths[samples].max(initial=1))


def bucket(longest: int, max_tokens: int, buckets: tuple[int, ...]) -> int:
    """The width that a batch is padded to: of a fixed set, so that no shape appears after the warm-up.

    >>> bucket(100, 512, (128, 256)), bucket(257, 512, (128, 256))
    (128, 512)
    """
    return next((width for width in sorted(buckets) if width >= longest), max_tokens)


def text_strings(store: Store, samples: np.ndarray, size: int) -> np.ndarray:
    """The texts of some samples in UTF-8 (object, size), for a tokeniser of the wing's own."""
    assert store.text is not None, "the plan gives a store what its workload reads"
    strings = np.full(size, b"", object)
    for row, sample in enumerate(samples):
        strings[row] = store.text[int(sample)].encode()
    return strings
