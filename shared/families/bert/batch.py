"""Batches of texts, and the keys of what is dropped of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.dropout import drop_keys
from shared.families.bert.architecture import Architecture
from shared.families.bert.settings import BertWorkload
from shared.family import Drawn
from shared.modalities import text_tokens
from shared.store import Store
from shared.tasks import task_of


class TextBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation nothing is drawn."""

    tokens: np.ndarray  # int32, n x T
    labels: np.ndarray  # as the task has them
    lengths: np.ndarray  # int32, n: tokens before the padding
    drop_keys: np.ndarray  # int32, n x places x 2 (shared.dropout); 0 where nothing is drawn


def text_batch(
    store: Store,
    workload: BertWorkload,
    arch: Architecture,
    samples: np.ndarray,
    size: int,
    drawn: Drawn,
    width: int,
) -> TextBatch:
    """The texts of some samples, padded to `width` tokens, filled up to `size` rows."""
    tokens, lengths = text_tokens(store, samples, size, width)
    batch = TextBatch(
        tokens=tokens,
        labels=task_of(workload).labels(store, samples, size, arch.num_classes),
        lengths=lengths,
        drop_keys=np.zeros((size, arch.num_places, 2), np.int32),
    )
    if drawn is not None:
        batch.drop_keys[: len(samples)] = drop_keys(*drawn, samples, arch.num_places)
    return batch
