"""Batches of texts for a bidirectional LSTM.

Legend: n texts, T words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.dropout import step_keys
from shared.families.lstm.architecture import NUM_PLACES, NUM_STEP_PLACES
from shared.families.lstm.settings import LstmWorkload
from shared.family import Drawn
from shared.store import Store
from shared.word_batch import word_batch


class TextBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation nothing is drawn."""

    tokens: np.ndarray  # int32, n x T: ids of words, PAD_ID behind the last
    labels: np.ndarray  # as the task has them
    lengths: np.ndarray  # int32, n: words before the padding, at least 1
    drop_keys: np.ndarray  # int32, n x places x 2 (shared.dropout); 0 where nothing is drawn
    # int32, n x places x 2: of what is drawn once for a step, the same in all rows on all replicas; 0 where nothing is
    step_keys: np.ndarray


def text_batch(
    store: Store, workload: LstmWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
) -> TextBatch:
    """The texts of some samples, padded to `width` words, filled up to `size` rows."""
    words = word_batch(store, workload, samples, size, drawn, width, NUM_PLACES)
    return TextBatch(*words, step_keys=np.zeros((size, NUM_STEP_PLACES, 2), np.int32))


def with_step_keys(batch: TextBatch, seed: int, step: int) -> TextBatch:
    """A training batch with the keys of what is drawn once for its step."""
    keys = step_keys(seed, step, NUM_STEP_PLACES)
    return batch._replace(step_keys=np.repeat(keys[None], len(batch.step_keys), 0))
