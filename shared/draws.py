"""Every random decision of a training, from a counter-based generator that both wings read.

A draw depends on (seed, purpose, epoch, sample) alone: not on the number of replicas, of loader workers, of batches
before it, nor on who asks. So the k-th global batch holds the same samples with the same shear, the same dropped blocks
and the same dropped features in both frameworks. Only Philox's raw words are used; they are specified (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011), unlike the streams of NumPy's distributions, which may change
between releases.
"""

from __future__ import annotations

import math
from enum import IntEnum
from functools import lru_cache

import numpy as np


class Purpose(IntEnum):
    """What a stream of words is for; no two purposes share one."""

    WEIGHTS = 1
    ORDER = 2
    SAMPLE = 3
    FEATURES = 4
    HIDING = 5
    STEP = 6  # of what is dropped once for a step, whatever the samples
    TRANSFER = 9  # of words in the texts that a student learns from


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


def num_unit_words(num_features: int, rate: float) -> int:
    """Words that `unit_factors` needs: a feature's draw has 16 bits."""
    return -(-num_features // 4) if round(rate * 65536) else 0


def unit_factors(raw: np.ndarray, num_features: int, rate: float) -> np.ndarray:
    """The factor of each feature before the classifier: 0, or 1 / (1 - rate)."""
    dropped_below = round(rate * 65536)
    return (raw.view(np.uint16)[:num_features] >= dropped_below) / (1.0 - dropped_below / 65536)
