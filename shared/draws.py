"""Every random decision of a training, from a counter-based generator that both wings read.

A draw depends on (seed, purpose, epoch, sample) alone: not on the number of replicas, of loader workers, of batches
before it, nor on who asks. So the k-th global batch holds the same samples with the same shear, the same dropped blocks
and the same dropped features in both frameworks. Only Philox's raw words are used; they are specified (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011), unlike the streams of NumPy's distributions, which may change
between releases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from shared import bert
from shared.efficientnet import Architecture

# A shear slope is a multiple of 2^-12 (0.014 degrees): row offsets are then exact in float32 up to 2048 px, so that two
# kernels which compute their coordinates in different ways still sample at the very same place.
SLOPE_STEPS = 4096


class Purpose(IntEnum):
    """What a stream of words is for; no two purposes share one."""

    WEIGHTS = 1
    ORDER = 2
    SAMPLE = 3
    TOKENS = 4


@dataclass(frozen=True)
class Draws:
    """The random decisions for n samples of one epoch."""

    shear: np.ndarray  # float32, n: horizontal offset a row, pixels a row (the tangent of the angle)
    keep_block: np.ndarray  # float32, n x B: 0 where a sample skips a block's branch, else 1 / (1 - rate)
    keep_unit: np.ndarray  # float32, n x F: 0 where a feature is dropped before the classifier, else 1 / (1 - rate)


@dataclass(frozen=True)
class TextDraws:
    """The random decisions for n texts of one epoch, T tokens wide, S places (shared.bert), H features.

    A feature is dropped where its noise is below `noise_threshold(rate)`. Bytes, not masks of floats: there are tens of
    millions in a batch, and they travel from the loader to the device.
    """

    noise: np.ndarray  # uint8, n x S x T x H: of every token, place by place
    noise_last: np.ndarray  # uint8, n x 2 x H: of [CLS] in the two halves of the last layer
    keep_unit: np.ndarray  # float32, n x H: 0 where a feature is dropped before the classifier, else 1 / (1 - rate)


def noise_threshold(rate: float) -> int:
    """Bytes below it are dropped; a rate is thereby a multiple of 1/256.

    >>> noise_threshold(0.1), noise_threshold(0.2), noise_threshold(0.0)
    (26, 51, 0)
    """
    return round(rate * 256)


def words(seed: int, purpose: Purpose, epoch: int, item: int, count: int, place: int = 0) -> np.ndarray:
    """`count` uniformly distributed uint64 words of one stream.

    Raises:
        ValueError: a negative seed, epoch or item.
    """
    if min(seed, epoch, item) < 0:
        raise ValueError(f"seed, epoch and item must not be negative: {seed}, {epoch}, {item}")
    key = np.array([seed, (int(purpose) << 32) | epoch], dtype=np.uint64)
    return np.random.Philox(key=key, counter=np.array([0, item, place, 0], dtype=np.uint64)).random_raw(count)


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


def text_draws(seed: int, epoch: int, samples: np.ndarray, arch: bert.Architecture, width: int) -> TextDraws:
    """Draw for the given texts of an epoch, `width` tokens each.

    A token's draws do not depend on the width: a text padded to a wider bucket drops the same features.
    """
    hidden, places = arch.hidden_size, arch.num_noise_sites
    unit_words = num_unit_words(hidden, arch.classifier_dropout)
    noise = np.empty((len(samples), places, width, hidden), np.uint8)
    noise_last = np.full((len(samples), 2, hidden), 255, np.uint8)
    keep_unit = np.ones((len(samples), hidden), np.float32)
    for row, sample in enumerate(samples):
        for place in range(places):
            raw = words(seed, Purpose.TOKENS, epoch, int(sample), -(-width * hidden // 8), place=1 + place)
            noise[row, place] = raw.view(np.uint8)[: width * hidden].reshape(width, hidden)
        raw = words(seed, Purpose.TOKENS, epoch, int(sample), -(-2 * hidden // 8) + unit_words)
        if places:
            noise_last[row] = raw.view(np.uint8)[: 2 * hidden].reshape(2, hidden)
        if unit_words:
            keep_unit[row] = unit_factors(raw[-unit_words:], hidden, arch.classifier_dropout)
    return TextDraws(noise, noise_last, keep_unit)


def num_unit_words(num_features: int, rate: float) -> int:
    """Words that `unit_factors` needs: a feature's draw has 16 bits."""
    return -(-num_features // 4) if round(rate * 65536) else 0


def unit_factors(raw: np.ndarray, num_features: int, rate: float) -> np.ndarray:
    """The factor of each feature before the classifier: 0, or 1 / (1 - rate)."""
    dropped_below = round(rate * 65536)
    return (raw.view(np.uint16)[:num_features] >= dropped_below) / (1.0 - dropped_below / 65536)
