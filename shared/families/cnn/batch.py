"""Batches of texts for convolutions over words."""

from __future__ import annotations

import numpy as np

from shared.families.cnn.architecture import NUM_PLACES
from shared.families.cnn.settings import CnnWorkload
from shared.family import Drawn
from shared.store import Store
from shared.word_batch import WordBatch, word_batch


def text_batch(
    store: Store, workload: CnnWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
) -> WordBatch:
    """The texts of some samples, padded to `width` words, filled up to `size` rows."""
    return word_batch(store, workload, samples, size, drawn, width, NUM_PLACES)
