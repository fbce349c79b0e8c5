"""Elementwise expressions as one CPU kernel each. No mirror: the PyTorch wing compiles nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import tensorflow as tf


def on_gpu() -> bool:
    """Whether this process sees a GPU; its kernels have none of the gaps that the gradients of `ops` close."""
    return bool(tf.config.list_logical_devices("GPU"))


def one_kernel(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Have XLA make one CPU kernel of an elementwise expression.

    TensorFlow's own kernels make a pass over memory for every operator. XLA is used for nothing else: its convolutions
    and reductions on CPU are slower than TensorFlow's.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)

    @wraps(function)
    def apply(*tensors: tf.Tensor) -> tf.Tensor:
        return function(*tensors) if on_gpu() else compiled(*tensors)

    return apply
