"""Which features dropout drops: a function of counters, the same to the bit in NumPy (here), PyTorch and TensorFlow.

A network drops features at numbered places. A batch brings two numbers of 32 bits a sample and place, drawn by Philox
from (seed, epoch, sample): `drop_keys`. Every four features of a token share a word made of their position and of those
two, a byte each, and a feature is dropped where its byte is below `threshold(rate)`. Nothing has a state or an order,
and nothing depends on the width: a text that is padded to a wider bucket drops the same features.

With w = (hash(position) xor key) times odd key, the word is w xor w's upper half. The hash is lowbias32 (Wellons,
"Prospecting for hash functions", 2018: whichever bit of its argument is flipped, each bit of its value flips half the
time, to 0.02 % as root mean square); it is the same for all batches, so the wings compute it once. What is left for a
place is a multiplication by a random odd number, which is universal hashing for the upper bits (Dietzfelbinger et al.,
"A reliable randomized algorithm for the closest-pair problem", Journal of Algorithms 25, 1997), and a shift that hands
the upper bits' quality to the lower ones. Philox for every word costs PyTorch many times as much (`python -m
tests.dropout_speed` prints how much in either wing). What dropout needs of its bytes is tested: the right shares, and
no correlation between features, tokens, places, samples, epochs and seeds.
"""

from __future__ import annotations

import numpy as np

from shared.draws import Purpose, words

FEATURES_A_WORD = 4
LEVELS = 256  # of a byte; a rate is a multiple of 1 / LEVELS
# lowbias32: shift, multiplier, shift, multiplier, shift
SHIFTS, MULTIPLIERS = (16, 15, 16), (0x7FEB352D, 0x846CA68B)
LAST_SHIFT = 16


def threshold(rate: float) -> int:
    """Bytes below it are dropped; a rate is thereby a multiple of 1/256.

    >>> threshold(0.1), threshold(0.2), threshold(0.0)
    (26, 51, 0)
    """
    return round(rate * LEVELS)


def scale(rate: float) -> float:
    """What a kept feature is multiplied by, for the mean to stay.

    >>> scale(0.5)
    2.0
    """
    return LEVELS / (LEVELS - threshold(rate))


def words_a_token(num_features: int) -> int:
    """Words of 32 bits that a token's features take; the last one's spare bytes are not used.

    >>> words_a_token(768), words_a_token(13)
    (192, 4)
    """
    return -(-num_features // FEATURES_A_WORD)


def drop_keys(seed: int, epoch: int, samples: np.ndarray, num_places: int) -> np.ndarray:
    """The keys of some samples (n) in an epoch, int32 n x places x 2: one to be xored, one (odd) to multiply by.

    Signed, because PyTorch multiplies and shifts no others; the bits are what counts.
    """
    keys = np.empty((len(samples), num_places), np.uint64)
    for row, sample in enumerate(samples):
        keys[row] = words(seed, Purpose.FEATURES, epoch, int(sample), num_places)
    halves = keys.view(np.int32).reshape(len(samples), num_places, 2)
    halves[..., 1] |= 1
    return halves


def step_keys(seed: int, step: int, num_places: int) -> np.ndarray:
    """The keys of what is dropped once for a step of a training (int32, places x 2), whatever its samples: as those of
    `drop_keys`, the same on every replica."""
    halves = words(seed, Purpose.STEP, 0, step, num_places).view(np.int32).reshape(num_places, 2)
    halves[..., 1] |= 1
    return halves


def position_hashes(num_tokens: int, num_features: int) -> np.ndarray:
    """The hash of every token's words by position, uint32 T x W: what all samples and places share."""
    width = words_a_token(num_features)
    return hash32(np.arange(num_tokens * width, dtype=np.uint32)).reshape(num_tokens, width)


def hash32(x: np.ndarray) -> np.ndarray:
    """lowbias32 of uint32 numbers."""
    x = x ^ (x >> np.uint32(SHIFTS[0]))
    x = x * np.uint32(MULTIPLIERS[0])
    x = x ^ (x >> np.uint32(SHIFTS[1]))
    x = x * np.uint32(MULTIPLIERS[1])
    return x ^ (x >> np.uint32(SHIFTS[2]))


def noise(keys: np.ndarray, num_tokens: int, num_features: int) -> np.ndarray:
    """The bytes of some samples' features at one place.

    Args:
        keys: int32, n x 2, of that place.

    Returns:
        uint8, n x T x H.
    """
    first, odd = (keys[:, part, None, None].view(np.uint32) for part in (0, 1))
    mixed = (position_hashes(num_tokens, num_features) ^ first) * odd
    mixed = mixed ^ (mixed >> np.uint32(LAST_SHIFT))
    return mixed.astype("<u4").view(np.uint8)[..., :num_features]


def kept(keys: np.ndarray, num_tokens: int, num_features: int, rate: float) -> np.ndarray:
    """Whether each feature stays (bool, n x T x H)."""
    return noise(keys, num_tokens, num_features) >= threshold(rate)
