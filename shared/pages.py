"""Batches of page images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.draws import draws
from shared.efficientnet import Architecture
from shared.networks import architecture_of
from shared.spec import ImageWorkload
from shared.store import Store


class PageBatch(NamedTuple):
    """n pages, ready to be moved to a device. In evaluation the draws are neutral and `weight` marks real rows."""

    pages: np.ndarray  # uint8, n x H x W
    labels: np.ndarray  # int32, n
    weight: np.ndarray  # float32, n: 1 for a sample, 0 for a row that only fills the batch up
    shear: np.ndarray  # float32, n
    keep_block: np.ndarray  # float32, n x B
    keep_unit: np.ndarray  # float32, n x F


def page_batch(
    store: Store, workload: ImageWorkload, samples: np.ndarray, size: int, drawn: tuple[int, int] | None
) -> PageBatch:
    """The pages of some samples, filled up to `size` rows.

    Args:
        drawn: seed and epoch of the samples' draws; None: neutral ones.
    """
    assert store.images is not None, "the plan gives image workloads a store with pages"
    arch = architecture_of(workload)
    assert isinstance(arch, Architecture)
    count, page = len(samples), store.images.shape[1:]
    batch = PageBatch(
        pages=np.zeros((size, *page), np.uint8),
        labels=np.zeros(size, np.int32),
        weight=np.zeros(size, np.float32),
        shear=np.zeros(size, np.float32),
        keep_block=np.ones((size, len(arch.blocks)), np.float32),
        keep_unit=np.ones((size, arch.head_channels), np.float32),
    )
    batch.pages[:count] = store.images[samples]
    batch.labels[:count] = store.labels[samples]
    batch.weight[:count] = 1.0
    if drawn is not None:
        found = draws(*drawn, samples, arch, workload.input.shear_degrees)
        batch.shear[:count] = found.shear
        batch.keep_block[:count] = found.keep_block
        batch.keep_unit[:count] = found.keep_unit
    return batch
