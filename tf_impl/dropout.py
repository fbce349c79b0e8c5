"""Dropout from counters (`shared.dropout`). Mirror: `pt_impl/dropout.py`.

Legend: N texts, R tokens, H features, W words a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from shared import dropout
from shared.dropout import FEATURES_A_WORD, LAST_SHIFT, scale, threshold
from tf_impl.kernels import one_kernel


def noise(keys: tf.Tensor, num_tokens: int, num_features: int) -> tf.Tensor:
    """`shared.dropout.noise`: keys (int32, N x 2) to bytes (uint8, N x R x H)."""
    return _noise(keys, tf.constant(dropout.position_hashes(num_tokens, num_features)), num_features)


def _bytes(keys: tf.Tensor, hashes: tf.Tensor, num_features: int) -> tf.Tensor:
    """`noise`, for a kernel that makes more of it. 32 bits without a sign: those TensorFlow shifts as they are."""
    first, odd = (tf.bitcast(keys[:, part, None, None], tf.uint32) for part in (0, 1))
    words = tf.bitwise.bitwise_xor(hashes, first) * odd
    words = tf.bitwise.bitwise_xor(words, tf.bitwise.right_shift(words, tf.constant(LAST_SHIFT, tf.uint32)))
    every = tf.reshape(tf.bitcast(words, tf.uint8), [*words.shape[:-1], words.shape[-1] * FEATURES_A_WORD])
    return every[..., :num_features]


_noise = one_kernel(_bytes)


def factors(keys: tf.Tensor, hashes: tf.Tensor, like: tf.Tensor, rate: float) -> tf.Tensor:
    """The factor of each feature (N, R, H), for a kernel that multiplies by it: 0 where one is dropped, else what keeps
    the mean.

    Args:
        keys, hashes: of `Dropout.source`. like: (N, R, H), the shape and the precision.
    """
    kept = _bytes(keys, hashes, like.shape[-1]) >= threshold(rate)
    return tf.cast(kept, like.dtype) * scale(rate)


@one_kernel
def _times(x: tf.Tensor, keys: tf.Tensor, hashes: tf.Tensor, rate: float) -> tf.Tensor:
    return x * factors(keys, hashes, x, rate)


class Dropout:
    """What is dropped of a batch. Kernels make it where they need it, in the backward pass again: a few operations on
    integers cost less than a mask's way through memory."""

    def __init__(self, keys: tf.Tensor) -> None:
        """
        Args:
            keys: `shared.dropout.drop_keys`, int32, N x places x 2.
        """
        self._keys = keys
        self._hashes: dict[tuple[int, int], tf.Tensor] = {}

    def source(self, place: int, shape: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
        """What a kernel makes the noise of a place from: the place's keys (N x 2), `shared.dropout.position_hashes` for
        features (N, R, H). The hashes are a constant that all places of a graph share."""
        _, num_tokens, num_features = shape
        size = (num_tokens, num_features)
        if size not in self._hashes:
            self._hashes[size] = tf.constant(dropout.position_hashes(*size))
        return self._keys[:, place], self._hashes[size]

    def kept(self, place: int, rate: float, num_tokens: int, num_features: int) -> tf.Tensor:
        """1 for each feature that stays at a place, else 0: uint8, N x R x H."""
        keys, hashes = self.source(place, (0, num_tokens, num_features))
        return tf.cast(_noise(keys, hashes, num_features) >= threshold(rate), tf.uint8)

    def drop(self, x: tf.Tensor, place: int, rate: float) -> tf.Tensor:
        """x (N x R x H), some features dropped."""
        if not threshold(rate):
            return x
        keys, hashes = self.source(place, x.shape)

        @tf.custom_gradient
        def times(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
            return _times(x, keys, hashes, rate), lambda upstream: _times(upstream, keys, hashes, rate)

        return times(x)
