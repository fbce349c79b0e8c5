"""Layers that several networks have. Mirror: `pt_impl/layers.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from shared.layouts import to_hwio

Weights = Mapping[str, np.ndarray]


def trained(weights: Weights, name: str) -> tf.Variable:
    """A trained variable in TensorFlow's layout, named canonically."""
    return tf.Variable(to_hwio(name, weights[name]), name=name)


def canonical_name(variable: tf.Variable) -> str:
    """The name that a variable was given."""
    return variable.name.removesuffix(":0")


class Linear(tf.Module):
    """x W + b, computed in the input's precision."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(..., in) to (..., out); every axis but the last has to be known.

        One product of two axes, whatever the input's: of more, TensorFlow makes a batched product, which runs slower,
        and whose weight gradient is one matrix per batch entry and a sum over them.
        """
        weight, bias = self.tensors(x.dtype)
        rows = tf.nn.bias_add(tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weight), bias)
        return tf.reshape(rows, [*x.shape[:-1], weight.shape[-1]])

    def tensors(self, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        """Weight (in, out) and bias (out) in a precision."""
        return tf.cast(self.weight, dtype), tf.cast(self.bias, dtype)
