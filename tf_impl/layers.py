"""Layers that both networks have. Mirror: `pt_impl/layers.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from shared.convert import to_hwio

Weights = Mapping[str, np.ndarray]


def trained(weights: Weights, name: str) -> tf.Variable:
    """A trained variable in TensorFlow's layout, named canonically."""
    return tf.Variable(to_hwio(name, weights[name]), name=name)


class Linear(tf.Module):
    """x W + b, computed in the input's precision."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, in) to (N, out)."""
        weight, bias = self.tensors(x.dtype)
        return tf.nn.bias_add(tf.matmul(x, weight), bias)

    def tensors(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        """Weight (in, out) and bias (out) in a precision."""
        return tf.cast(self.weight, dtype), tf.cast(self.bias, dtype)
