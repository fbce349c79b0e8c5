"""Differences that the ladder plants in TensorFlow's EfficientNet.

Mirror: `pt_impl/families/efficientnet/mutations.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def biased_running_variance() -> None:
    """A batch's variance is a thousandth too small."""
    moments = tf.nn.moments

    def biased(x: tf.Tensor, axes: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
        mean, variance = moments(x, axes)
        return mean, variance * 0.999

    tf.nn.moments = biased
