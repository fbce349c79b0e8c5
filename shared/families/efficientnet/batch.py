"""Batches of page images, and what is drawn for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shared.draws import Purpose, num_unit_words, uniform, unit_factors, words
from shared.families.efficientnet.architecture import Architecture
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Drawn
from shared.modalities import page_pixels
from shared.store import Store
from shared.tasks import task_of

# A shear slope is a multiple of 2^-12 (0.014 degrees): row offsets are then exact in float32 up to 2048 px, so that two
# kernels which compute their coordinates in different ways still sample at the very same place.
SLOPE_STEPS = 4096


SMALLEST_PAGE = 32  # pixels: the network halves a page five times


class PageBatch(NamedTuple):
    """n pages, ready to be moved to a device. In evaluation the draws are neutral."""

    pixels: np.ndarray  # uint8, n x H x W
    labels: np.ndarray  # as the task has them
    shear: np.ndarray  # float32, n
    keep_block: np.ndarray  # float32, n x B
    keep_unit: np.ndarray  # float32, n x F


@dataclass(frozen=True)
class Draws:
    """The random decisions for n samples of one epoch."""

    shear: np.ndarray  # float32, n: horizontal offset per row, pixels per row (the tangent of the angle)
    keep_block: np.ndarray  # float32, n x B: 0 where a sample skips a block's branch, else 1 / (1 - rate)
    keep_unit: np.ndarray  # float32, n x F: 0 where a feature is dropped before the classifier, else 1 / (1 - rate)


def page_batch(
    store: Store, workload: EfficientNetWorkload, arch: Architecture, samples: np.ndarray, size: int, drawn: Drawn
) -> PageBatch:
    """The pages of some samples, filled up to `size` rows."""
    count = len(samples)
    batch = PageBatch(
        pixels=page_pixels(store, samples, size),
        labels=task_of(workload).labels(store, samples, size, arch.num_classes),
        shear=np.zeros(size, np.float32),
        keep_block=np.ones((size, len(arch.blocks)), np.float32),
        keep_unit=np.ones((size, arch.head_channels), np.float32),
    )
    if drawn is not None:
        found = draws(*drawn, samples, arch, workload.input.shear_degrees)
        batch.shear[:count] = found.shear
        batch.keep_block[:count] = found.keep_block
        batch.keep_unit[:count] = found.keep_unit
    return batch


def draws(seed: int, epoch: int, samples: np.ndarray, arch: Architecture, shear_degrees: float) -> Draws:
    """Draw for the given samples of an epoch (each row depends on its own sample only)."""
    rates = np.array([block.drop_rate for block in arch.blocks])
    num_blocks, num_features = len(rates), arch.head_channels
    unit_words = num_unit_words(num_features, arch.dropout)
    shear = np.empty(len(samples), np.float32)
    keep_block = np.empty((len(samples), num_blocks), np.float32)
    keep_unit = np.ones((len(samples), num_features), np.float32)
    for row, sample in enumerate(samples):
        raw = words(seed, Purpose.SAMPLE, epoch, int(sample), 1 + num_blocks + unit_words)
        angle = math.radians(shear_degrees) * (2.0 * uniform(raw[:1])[0] - 1.0)
        shear[row] = round(math.tan(angle) * SLOPE_STEPS) / SLOPE_STEPS
        keep_block[row] = (uniform(raw[1 : 1 + num_blocks]) >= rates) / (1.0 - rates)
        if unit_words:
            keep_unit[row] = unit_factors(raw[1 + num_blocks :], num_features, arch.dropout)
    return Draws(shear, keep_block, keep_unit)
