"""The wing's own kernels for text against plain expressions: values and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from shared.dropout import drop_keys, kept, scale
from tests import tiny_text

tf = pytest.importorskip("tensorflow")

from tf_impl import text_ops  # noqa: E402
from tf_impl.dropout import Dropout  # noqa: E402


def exact_gelu(x: tf.Tensor) -> tf.Tensor:
    return x * 0.5 * (1.0 + tf.math.erf(x / tf.sqrt(tf.constant(2.0, x.dtype))))


def values_and_gradients(function: Callable[..., tf.Tensor], *inputs: np.ndarray) -> tuple[np.ndarray, ...]:
    tensors = [tf.constant(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
        upstream = tf.cast(tf.reshape(tf.range(tf.size(value)), value.shape), value.dtype) / 10.0
        weighted = tf.reduce_sum(value * tf.sin(upstream))
    return value.numpy(), *(gradient.numpy() for gradient in tape.gradient(weighted, tensors))


def agree(left: tuple[np.ndarray, ...], right: tuple[np.ndarray, ...], tolerance: float) -> None:
    for ours, theirs in zip(left, right, strict=True):
        assert ours.dtype == theirs.dtype
        assert tiny_text.closeness(ours, theirs) < tolerance


def test_gelu_is_the_exact_one() -> None:
    x = np.linspace(-6, 6, 105).reshape(3, 5, 7)
    agree(values_and_gradients(text_ops.gelu, x), values_and_gradients(exact_gelu, x), 1e-14)
    by_hand = np.array([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.ravel()]).reshape(x.shape)
    assert tiny_text.closeness(text_ops.gelu(tf.constant(x)), by_hand) < 1e-15


@pytest.mark.parametrize("shape", [(8,), (3, 8), (2, 3, 8)])
def test_layer_norm_and_its_gradients(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, scale, offset = 3.0 + rng.standard_normal(shape), rng.standard_normal(8), rng.standard_normal(8)

    def plain(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-3) * scale + offset

    def ours(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        return text_ops.layer_norm(x, scale, offset, 1e-3)

    agree(values_and_gradients(ours, x, scale, offset), values_and_gradients(plain, x, scale, offset), 1e-12)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.8])
def test_the_norm_of_a_sum_is_that_of_its_parts(rate: float) -> None:
    """Values and gradients of dropout, sum and norm in one kernel against one after the other."""
    rng = np.random.default_rng(0)
    x, change = 3.0 + rng.standard_normal((2, 3, 8)), rng.standard_normal((2, 3, 8))
    weight, offset = rng.standard_normal(8), rng.standard_normal(8)
    keys = drop_keys(0, 0, np.arange(2), 3)
    stays = kept(keys[:, 1], 3, 8, rate)

    def plain(x: tf.Tensor, change: tf.Tensor, weight: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        total = x + tf.where(stays, change * scale(rate), tf.zeros_like(change))
        mean, variance = tf.nn.moments(total, [-1], keepdims=True)
        return (total - mean) / tf.sqrt(variance + 1e-3) * weight + offset

    def ours(x: tf.Tensor, change: tf.Tensor, weight: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        return text_ops.sum_norm(x, change, Dropout(tf.constant(keys)), 1, rate, weight, offset, 1e-3)

    inputs = (x, change, weight, offset)
    agree(values_and_gradients(ours, *inputs), values_and_gradients(plain, *inputs), 1e-12)


def test_the_norm_of_a_sum_of_bfloat16_has_gradients_of_its_inputs_precision() -> None:
    rng = np.random.default_rng(0)
    x, change = (tf.constant(rng.standard_normal((4, 1, 8)), tf.bfloat16) for _ in range(2))
    keys, weight, offset = drop_keys(0, 0, np.arange(4), 1), tf.ones(8), tf.zeros(8)
    with tf.GradientTape() as tape:
        tape.watch([x, change, weight, offset])
        found = text_ops.sum_norm(x, change, Dropout(tf.constant(keys)), 0, 0.1, weight, offset, 1e-12)
    gradients = tape.gradient(found, [x, change, weight, offset])
    assert found.dtype == tf.bfloat16
    assert [gradient.dtype for gradient in gradients] == [tf.bfloat16, tf.bfloat16, tf.float32, tf.float32]
    stays = tf.constant(kept(keys[:, 0], 1, 8, 0.1), tf.bfloat16)
    total = x + change * stays * scale(0.1)
    exact = text_ops.layer_norm(tf.cast(total, tf.float32), weight, offset, 1e-12)
    assert tiny_text.closeness(tf.cast(found, tf.float32), exact) < 2e-2


def test_kernels_within_a_graph_are_those_outside() -> None:
    rng = np.random.default_rng(0)
    x, scale, offset = rng.standard_normal((4, 8)), rng.standard_normal(8), rng.standard_normal(8)

    def both(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        return text_ops.gelu(text_ops.layer_norm(x, scale, offset, 1e-12))

    graph = values_and_gradients(tf.function(both), x, scale, offset)
    agree(graph, values_and_gradients(both, x, scale, offset), 1e-13)


def test_a_norm_of_bfloat16_is_computed_in_single_precision() -> None:
    x = tf.cast(tf.constant(100.0 + np.arange(8.0)[None] / 2, tf.float32), tf.bfloat16)
    ones, zeros = tf.ones(8), tf.zeros(8)
    found = text_ops.layer_norm(x, ones, zeros, 1e-12)
    assert found.dtype == tf.bfloat16
    exact = text_ops.layer_norm(tf.cast(x, tf.float32), ones, zeros, 1e-12)
    assert tiny_text.closeness(tf.cast(found, tf.float32), exact) < 4e-3
