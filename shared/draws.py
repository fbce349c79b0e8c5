"""Every random decision of a training, from a counter-based generator that both wings read.

A draw depends on (seed, purpose, epoch, sample) alone: not on the number of replicas, of loader workers, of batches
before it, nor on who asks. So the k-th global batch holds the same pages with the same shear, the same dropped blocks
and the same dropped units in both frameworks. Only Philox's raw words are used; they are specified (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011), unlike the streams of NumPy's distributions, which may change
between releases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from shared.efficientnet import Architecture

# A shear slope is a multiple of 2^-12 (0.014 degrees): row offsets are then exact in float32 up to 2048 px, so that two
# kernels which compute their coordinates in different ways still sample at the very same place.
SLOPE_STEPS = 4096


class Purpose(IntEnum):
    """What a stream of words is for; no two purposes share one."""

    WEIGHTS = 1
    ORDER = 2
    SAMPLE = 3


@dataclass(frozen=True)
class Draws:
    """The random decisions for n samples of one epoch."""

    shear: np.ndarray  # float32, n: horizontal offset a row, pixels a row (the tangent of the angle)
    keep_block: np.ndarray  # float32, n x B: 0 where a sample skips a block's branch, else 1 / (1 - rate)
    keep_unit: np.ndarray  # float32, n x F: 0 where a feature is dropped before the classifier, else 1 / (1 - rate)


def words(seed: int, purpose: Purpose, epoch: int, item: int, count: int) -> np.ndarray:
    """`count` uniformly distributed uint64 words of one stream.

    Raises:
        ValueError: a negative seed, epoch or item.
    """
    if min(seed, epoch, item) < 0:
        raise ValueError(f"seed, epoch and item must not be negative: {seed}, {epoch}, {item}")
    key = np.array([seed, (int(purpose) << 32) | epoch], dtype=np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, item, 0, 0], dtype=np.uint64)).random_raw(count)


def uniform(raw: np.ndarray) -> np.ndarray:
    """uint64 words to float64 in [0, 1), 53 bits each."""
    return (raw >> np.uint64(11)) * 2.0**-53


def normal(seed: int, item: int, count: int) -> np.ndarray:
    """`count` standard normal float64 numbers for the weights of tensor `item` (Box-Muller)."""
    pairs = (count + 1) // 2
    raw = uniform(words(seed, Purpose.WEIGHTS, 0, item, 2 * pairs))
    radius, angle = np.sqrt(-2.0 * np.log1p(-raw[:pairs])), 2.0 * math.pi * raw[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]


@lru_cache(maxsize=2)  # every batch of an epoch asks for it; the loader may be a batch ahead in the next one
def order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of range(count) (int64, read-only): the order of the samples in an epoch."""
    permutation = np.argsort(words(seed, Purpose.ORDER, epoch, 0, count), kind="stable")
    permutation.setflags(write=False)
    return permutation


def draws(seed: int, epoch: int, samples: np.ndarray, arch: Architecture, shear_degrees: float) -> Draws:
    """Draw for the given samples of an epoch (each row depends on its own sample only)."""
    rates = np.array([block.drop_rate for block in arch.blocks])
    num_blocks, num_features = len(rates), arch.head_channels
    dropped_below = round(arch.dropout * 65536)  # a unit's draw has 16 bits: 1280 of them are 320 words
    unit_words = -(-num_features // 4) if dropped_below else 0
    shear = np.empty(len(samples), np.float32)
    keep_block = np.empty((len(samples), num_blocks), np.float32)
    keep_unit = np.ones((len(samples), num_features), np.float32)
    for row, sample in enumerate(samples):
        raw = words(seed, Purpose.SAMPLE, epoch, int(sample), 1 + num_blocks + unit_words)
        angle = math.radians(shear_degrees) * (2.0 * uniform(raw[:1])[0] - 1.0)
        shear[row] = round(math.tan(angle) * SLOPE_STEPS) / SLOPE_STEPS
        keep_block[row] = (uniform(raw[1 : 1 + num_blocks]) >= rates) / (1.0 - rates)
        if dropped_below:
            kept = raw[1 + num_blocks :].view(np.uint16)[:num_features] >= dropped_below
            keep_unit[row] = kept / (1.0 - dropped_below / 65536)
    return Draws(shear, keep_block, keep_unit)
