"""Convolutions over time and their maxima. Mirror: `pt_impl/families/cnn/convolution.py`.

Legend: N texts, T words, D features of a word, K words that a filter sees, C filters, L = T + K - 1 places of a filter,
W windows of the maximum, M places of the longest window.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.cnn.architecture import longest_window, num_places
from tf_impl.layers import Weights, trained


class Convolution(tf.Module):
    """Filters of one kernel size over the words of a text, with K - 1 words of padding on both sides."""

    def __init__(self, weights: Weights, name: str, kernel_size: int) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")
        self.kernel_size = kernel_size

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Words (N, T, D) to (N, L, C)."""
        weight, bias = self.tensors(x.dtype)
        return convolve(x, weight, bias)

    def tensors(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        """Weight (K, D, C) and bias (C) in a precision."""
        return tf.cast(self.weight, dtype), tf.cast(self.bias, dtype)

    def maxima(self, x: tf.Tensor, lengths: tf.Tensor, num_windows: int) -> tf.Tensor:
        """Words (N, T, D) to the maxima of each filter over the windows of each text (N, C x W)."""
        first, end = window_bounds(num_places(lengths, self.kernel_size), num_windows)
        found = tf.transpose(maxima(self(x), first, end), [0, 2, 1])
        return tf.reshape(found, [found.shape[0], -1])


def convolve(x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """x (N, T, D), weight (K, D, C), bias (C) to (N, L, C).

    On CPU a batch of KimCNN's takes 44 ms by conv1d, 51 ms by one product of every word with every filter's words, and
    67 ms as a product with what each filter sees (both passes, 32 texts of 128 words, static vectors;
    `python -m tests.text_convolution_speed`).
    """
    padding = weight.shape[0] - 1
    padded = tf.pad(x, [[0, 0], [padding, padding], [0, 0]])
    return tf.nn.bias_add(tf.nn.conv1d(padded, weight, 1, "VALID"), bias)


def window_bounds(places: tf.Tensor, num_windows: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The first place of each window and the one behind its last (N, W each), see
    `shared.families.cnn.architecture.longest_window`.

    Args:
        places: (N), those that see a word of the text.
    """
    index = tf.range(num_windows)
    whole = places[:, None]
    return index * whole // num_windows, ((index + 1) * whole + num_windows - 1) // num_windows


def maxima(x: tf.Tensor, first: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """The maximum of each filter over each window: x (N, L, C), bounds (N, W) to (N, W, C).

    Equal maxima share the gradient, as PyTorch's do; the pooling operators would give it to the first.
    """
    num_places, num_windows = x.shape[1], first.shape[1]
    if num_windows == 1:
        behind = tf.range(num_places) >= end
        lowest = tf.constant(float("-inf"), x.dtype)
        return tf.reduce_max(tf.where(behind[..., None], lowest, x), 1, keepdims=True)
    # a window that is shorter than the longest one has its last place again
    most = longest_window(num_places, num_windows)
    place = tf.minimum(first[..., None] + tf.range(most), end[..., None] - 1)  # N x W x M
    row = place + num_places * tf.range(x.shape[0])[:, None, None]
    picked = tf.gather(tf.reshape(x, [-1, x.shape[2]]), row)  # N x W x M x C
    return tf.reduce_max(picked, 2)
