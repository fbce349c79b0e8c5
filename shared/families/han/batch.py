"""Batches of texts as sentences.

Legend: n texts, S sentences of a text, T words of a sentence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.families.han.architecture import NUM_PLACES
from shared.families.han.settings import HanWorkload
from shared.family import Drawn
from shared.modalities import text_tokens
from shared.store import Store
from shared.tasks import task_of
from shared.word_batch import keys_of, padding_read
from shared.word_tokens import PAD_ID


class SentenceBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation nothing is drawn."""

    tokens: np.ndarray  # int32, n x S x T: ids of words, PAD_ID behind the last of a sentence
    labels: np.ndarray  # as the task has them
    lengths: np.ndarray  # int32, n: sentences before the padding, at least 1
    word_lengths: np.ndarray  # int32, n x S: words before the padding; 1 of a sentence that is padding
    drop_keys: np.ndarray  # int32, n x places x 2 (shared.dropout); 0 where nothing is drawn


def num_sentences(places: np.ndarray, max_words: int) -> np.ndarray:
    """Sentences of texts, by the place behind each one's last word.

    >>> num_sentences(np.array([1, 5, 6]), 5)
    array([1, 1, 2])
    """
    return -(-places // max_words)


def text_batch(
    store: Store, workload: HanWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
) -> SentenceBatch:
    """The texts of some samples, padded to `width` sentences, filled up to `size` rows."""
    max_words = workload.input.max_words
    flat, places = text_tokens(store, samples, size, width * max_words)
    tokens = flat.reshape(size, width, max_words)
    lengths = num_sentences(places, max_words).astype(np.int32)
    word_lengths = np.maximum((tokens != PAD_ID).sum(-1), 1).astype(np.int32)
    if workload.input.padding == "read":
        tokens, lengths = padding_read(tokens), np.full_like(lengths, width)
        word_lengths = np.full_like(word_lengths, max_words)
    return SentenceBatch(
        tokens=tokens,
        labels=task_of(workload).labels(store, samples, size, workload.model.num_classes),
        lengths=lengths,
        word_lengths=word_lengths,
        drop_keys=keys_of(samples, size, drawn, NUM_PLACES),
    )
