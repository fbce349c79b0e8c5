"""The parts of BERT where plain TensorFlow makes a pass over memory for every operator, each with its own gradient.

Forward and backward pass on CPU (6 texts of 512 tokens, two AVX-512 cores), plain and as one kernel each: GELU of 3072
features 30 ms and 7 ms, layer norm of 768 features 7 ms and 3 ms; softmax gains nothing and is left as it is. Dropout,
sum and norm as one kernel, its row sums as products: a step of `quick` 28.1 ms, so 29.5 before.
Mirror: `pt_impl/text_ops.py`.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from shared.dropout import threshold
from tf_impl import dropout
from tf_impl.dropout import Dropout
from tf_impl.kernels import one_kernel


@one_kernel
def _norm(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """The norm of x, and what its gradient reads: x normed, and the inverse deviation (..., 1)."""
    centred = x - _row_sums(x, tf.ones_like(scale)) / x.shape[-1]
    inverse = tf.math.rsqrt(_row_sums(centred * centred, tf.ones_like(scale)) / x.shape[-1] + epsilon)
    normed = centred * inverse
    return normed * scale + offset, normed, inverse


@one_kernel
def _norm_gradient(
    upstream: tf.Tensor, normed: tf.Tensor, inverse: tf.Tensor, scale: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradient of x, and the terms of the scale's."""
    terms, share = upstream * normed, scale / normed.shape[-1]
    gradient = inverse * (upstream * scale - _row_sums(upstream, share) - normed * _row_sums(terms, share))
    return gradient, terms


@one_kernel
def _sum_norm(
    x: tf.Tensor,
    change: tf.Tensor,
    keys: tf.Tensor,
    hashes: tf.Tensor,
    rate: float,
    scale: tf.Tensor,
    offset: tf.Tensor,
    epsilon: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """`_norm` of `x + change`, some features of the change dropped."""
    total = x + change * dropout.factors(keys, hashes, change, rate)
    return _norm.__wrapped__(  # type: ignore[attr-defined]
        tf.cast(total, scale.dtype), scale, offset, epsilon
    )


@one_kernel
def _sum_norm_gradients(
    upstream: tf.Tensor,
    normed: tf.Tensor,
    inverse: tf.Tensor,
    keys: tf.Tensor,
    hashes: tf.Tensor,
    rate: float,
    scale: tf.Tensor,
) -> tuple[tf.Tensor, ...]:
    """Gradients of x and of the change, and the terms of the scale's."""
    gradient, terms = _norm_gradient.__wrapped__(upstream, normed, inverse, scale)  # type: ignore[attr-defined]
    return gradient, gradient * dropout.factors(keys, hashes, gradient, rate), terms


def _row_sums(x: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    """Sums (..., 1) over the last axis of x times factors (H), as a product: faster than XLA's sums (a norm's gradient,
    6 texts of 512 tokens: 3.9 ms, so 5.8)."""
    width = x.shape[-1]
    products = tf.matmul(tf.reshape(x, [-1, width]), tf.reshape(factors, [width, 1]))
    return tf.reshape(products, [*x.shape[:-1], 1])


def _column_sums(x: tf.Tensor) -> tf.Tensor:
    """Sums (H) over every axis of x but the last, in TensorFlow's kernel for a bias."""
    return tf.raw_ops.BiasAddGrad(out_backprop=tf.reshape(x, [-1, x.shape[-1]]))


def layer_norm(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Layer norm over the last axis of x (..., H), computed in the precision of scale and offset."""

    @tf.custom_gradient
    def norm(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Any]:
        value, normed, inverse = _norm(x, scale, offset, tf.constant(epsilon, x.dtype))

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            gradient, terms = _norm_gradient(upstream, normed, inverse, scale)
            return gradient, _column_sums(terms), _column_sums(upstream)

        return value, gradients

    scale, offset = tf.convert_to_tensor(scale), tf.convert_to_tensor(offset)
    return tf.cast(norm(tf.cast(x, scale.dtype), scale, offset), x.dtype)


def sum_norm(
    x: tf.Tensor,
    change: tf.Tensor,
    drops: Dropout,
    place: int,
    rate: float,
    scale: tf.Tensor,
    offset: tf.Tensor,
    epsilon: float,
) -> tf.Tensor:
    """`layer_norm` of x + change (N, R, H each), some features of the change dropped.

    One kernel in either direction, and each makes what is dropped for itself: memory holds no noise and no mask.
    """
    if not threshold(rate):
        return layer_norm(x + change, scale, offset, epsilon)
    keys, hashes = drops.source(place, change.shape)

    @tf.custom_gradient
    def norm(x: tf.Tensor, change: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tuple[tf.Tensor, Any]:
        small = tf.constant(epsilon, scale.dtype)
        value, normed, inverse = _sum_norm(x, change, keys, hashes, rate, scale, offset, small)

        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            upstream = tf.cast(upstream, scale.dtype)
            of_x, of_change, terms = _sum_norm_gradients(upstream, normed, inverse, keys, hashes, rate, scale)
            of_inputs = tf.cast(of_x, x.dtype), tf.cast(of_change, x.dtype)
            return *of_inputs, _column_sums(terms), _column_sums(upstream)

        return tf.cast(value, x.dtype), gradients

    return norm(x, change, tf.convert_to_tensor(scale), tf.convert_to_tensor(offset))


# Constants of the input's precision: tf.nn.gelu rounds the square root of 2 to float32 also in float64.
def _number(value: float, x: tf.Tensor) -> tf.Tensor:
    return tf.constant(value, x.dtype)


def _gaussian_share(x: tf.Tensor) -> tf.Tensor:
    """The share of a normal distribution below x."""
    return _number(0.5, x) * (_number(1.0, x) + tf.math.erf(x * _number(math.sqrt(0.5), x)))


@one_kernel
def _gelu(x: tf.Tensor) -> tf.Tensor:
    return x * _gaussian_share(x)


@one_kernel
def _gelu_gradient(upstream: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    density = tf.exp(x * x * _number(-0.5, x)) * _number(1.0 / math.sqrt(2.0 * math.pi), x)
    return upstream * (_gaussian_share(x) + x * density)


@tf.custom_gradient
def gelu(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """The exact GELU: x times the share of a normal distribution below x (Hendrycks and Gimpel, 2016)."""
    return _gelu(x), lambda upstream: _gelu_gradient(upstream, x)
