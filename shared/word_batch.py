"""Batches of texts as whole words (`shared.word_tokens`), and the keys of what is dropped of them.

Legend: n texts, T words, S sentences of a text.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from shared.dropout import drop_keys
from shared.family import Drawn
from shared.modalities import text_tokens
from shared.store import Store
from shared.tasks import task_of
from shared.word_tokens import PAD_ID, UNKNOWN_ID


class Texts(Protocol):
    """What every batch of whole words has, arrays or a framework's tensors."""

    @property
    def tokens(self) -> Any:
        """As that of `WordBatch`."""

    @property
    def lengths(self) -> Any:
        """As that of `WordBatch`."""


class WordBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation nothing is drawn."""

    tokens: np.ndarray  # int32, n x T: ids of words, PAD_ID behind the last
    labels: np.ndarray  # as the task has them
    lengths: np.ndarray  # int32, n: words before the padding, at least 1
    drop_keys: np.ndarray  # int32, n x places x 2 (shared.dropout); 0 where nothing is drawn


def word_batch(
    store: Store,
    workload: Any,
    samples: np.ndarray,
    size: int,
    drawn: Drawn,
    width: int,
    num_places: int,
) -> WordBatch:
    """The texts of some samples, padded to `width` words, filled up to `size` rows.

    Args:
        workload: one whose `input` is a `shared.sections.WordInput`.
        num_places: where features are dropped.
    """
    tokens, lengths = text_tokens(store, samples, size, width)
    if workload.input.padding == "read":
        tokens, lengths = padding_read(tokens), np.full_like(lengths, width)
    return WordBatch(
        tokens=tokens,
        labels=task_of(workload).labels(store, samples, size, workload.model.num_classes),
        lengths=lengths,
        drop_keys=keys_of(samples, size, drawn, num_places),
    )


def padding_read(tokens: np.ndarray) -> np.ndarray:
    """Token ids with words that are not known in place of padding.

    So it is in the code that Adhikari et al. released: padding is not masked, and has the vector that all words have
    which are not known. A text's outcome then depends on the width that its batch has.

    >>> padding_read(np.array([[7, 1, 0, 0]]))
    array([[7, 1, 1, 1]])
    """
    return np.where(tokens == PAD_ID, UNKNOWN_ID, tokens).astype(tokens.dtype)


def keys_of(samples: np.ndarray, size: int, drawn: Drawn, num_places: int) -> np.ndarray:
    """The keys of what is dropped of some samples (int32, size x places x 2), zeros where nothing is drawn."""
    keys = np.zeros((size, num_places, 2), np.int32)
    if drawn is not None:
        keys[: len(samples)] = drop_keys(*drawn, samples, num_places)
    return keys
