"""Each fused operator computes what its plain form computes: values, gradients, running statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
from shared.padding import same_padding  # noqa: E402
from tests.tiny import closeness  # noqa: E402
from tf_impl import ops  # noqa: E402

TOLERANCE = {tf.float64: 1e-12, tf.float32: 1e-5}
SIZES = [(8, 8), (12, 6), (7, 9), (8, 5), (4, 4), (2, 2), (1, 1)]
DTYPES = [tf.float64, tf.float32]
MOMENTUM, EPSILON = 0.9, 1e-3


def random(*shape: int, dtype: tf.DType, seed: int = 0) -> tf.Tensor:
    """Normal numbers."""
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), dtype)


def values_and_gradients(function: Callable[..., tf.Tensor], *inputs: tf.Tensor) -> list[tf.Tensor]:
    """The value, and every input's gradient for a random gradient of the value."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = function(*inputs)
    return [value, *tape.gradient(value, inputs, random(*value.shape, dtype=value.dtype, seed=9))]


def assert_same(fused: Callable[..., tf.Tensor], plain: Callable[..., tf.Tensor], *inputs: tf.Tensor) -> None:
    for ours, theirs in zip(values_and_gradients(fused, *inputs), values_and_gradients(plain, *inputs), strict=True):
        assert closeness(ours, theirs) < TOLERANCE[inputs[0].dtype]


def padded(x: tf.Tensor, kernel: int, stride: int) -> tf.Tensor:
    rows, columns = (same_padding(size, kernel, stride) for size in x.shape[1:3])
    return tf.pad(x, ((0, 0), rows, columns, (0, 0)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_depthwise(kernel: int, stride: int, size: tuple[int, int], dtype: tf.DType) -> None:
    def plain(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(padded(x, kernel, stride), weight, [1, stride, stride, 1], "VALID")

    x, weight = random(2, *size, 6, dtype=dtype), random(kernel, kernel, 6, 1, dtype=dtype, seed=1)
    assert_same(lambda x, w: ops.depthwise(x, w, stride), plain, x, weight)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(stride: int, size: tuple[int, int]) -> None:
    x, weight = random(2, *size, 4, dtype=tf.float64), random(3, 3, 4, 5, dtype=tf.float64, seed=1)
    assert_same(
        lambda x, w: ops.convolution(x, w, stride),
        lambda x, w: tf.nn.conv2d(padded(x, 3, stride), w, stride, "VALID"),
        x,
        weight,
    )


def norm_inputs(dtype: tf.DType) -> tuple[tf.Tensor, ...]:
    x = 2.0 * random(3, 4, 6, 5, dtype=dtype) + 0.5
    return x, random(5, dtype=dtype, seed=1) + 1.0, random(5, dtype=dtype, seed=2)


def statistics(dtype: tf.DType) -> dict[str, tf.Variable]:
    mean, variance = random(5, dtype=dtype, seed=3), tf.abs(random(5, dtype=dtype, seed=4)) + 0.5
    return {"mean": tf.Variable(mean), "variance": tf.Variable(variance)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activate", [True, False])
def test_batch_norm_in_training(activate: bool, dtype: tf.DType) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    settings = {"momentum": MOMENTUM, "epsilon": EPSILON, "training": True}

    def plain(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
        mean = tf.reduce_mean(x, [0, 1, 2])
        variance = tf.reduce_mean((x - mean) ** 2, [0, 1, 2])
        y = (x - mean) / tf.sqrt(variance + EPSILON) * scale + offset
        return y * tf.sigmoid(y) if activate else y

    assert_same(lambda *inputs: fused(*inputs, **statistics(dtype), **settings), plain, *norm_inputs(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activate", [True, False])
def test_batch_norm_in_evaluation_uses_the_running_statistics_and_leaves_them(activate: bool, dtype: tf.DType) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    moving, kept = statistics(dtype), statistics(dtype)
    x, scale, offset = norm_inputs(dtype)
    value = fused(x, scale, offset, **moving, momentum=MOMENTUM, epsilon=EPSILON, training=False)
    plain = (x - kept["mean"]) / tf.sqrt(kept["variance"] + EPSILON) * scale + offset
    assert closeness(value, tf.nn.silu(plain) if activate else plain) < TOLERANCE[dtype]
    assert all(np.array_equal(moving[name], kept[name]) for name in moving)


@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float32, 1e-5), (tf.float64, 1e-12)])
@pytest.mark.parametrize("activate", [True, False])
def test_running_statistics_move_towards_the_unbiased_variance(
    activate: bool, dtype: tf.DType, tolerance: float
) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    moving, old = statistics(dtype), statistics(dtype)
    x, scale, offset = norm_inputs(dtype)
    fused(x, scale, offset, **moving, momentum=MOMENTUM, epsilon=EPSILON, training=True)
    samples = x.numpy().astype(np.float64).reshape(-1, 5)
    mean = MOMENTUM * old["mean"].numpy() + (1 - MOMENTUM) * samples.mean(0)
    variance = MOMENTUM * old["variance"].numpy() + (1 - MOMENTUM) * samples.var(0, ddof=1)
    np.testing.assert_allclose(moving["mean"].numpy(), mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(moving["variance"].numpy(), variance, rtol=tolerance)


def squeeze_inputs(dtype: tf.DType) -> tuple[tf.Tensor, ...]:
    channels, squeezed = 6, 2
    shapes = [(channels, squeezed), (squeezed,), (squeezed, channels), (channels,)]
    return random(3, 4, 5, channels, dtype=dtype), *(
        random(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(shapes, 1)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_squeeze_excite(dtype: tf.DType) -> None:
    def plain(x: tf.Tensor, w1: tf.Tensor, b1: tf.Tensor, w2: tf.Tensor, b2: tf.Tensor) -> tf.Tensor:
        hidden = tf.reduce_mean(x, [1, 2]) @ w1 + b1
        gate = tf.sigmoid((hidden * tf.sigmoid(hidden)) @ w2 + b2)
        return x * gate[:, None, None, :]

    assert_same(ops.squeeze_excite, plain, *squeeze_inputs(dtype))


def assert_gradients_match_differences(function: Callable[..., tf.Tensor], inputs: tuple[tf.Tensor, ...]) -> None:
    for theoretical, numerical in zip(*tf.test.compute_gradient(function, inputs, delta=1e-5), strict=True):
        np.testing.assert_allclose(theoretical, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_of_depthwise_against_finite_differences(stride: int) -> None:
    inputs = random(1, 6, 4, 2, dtype=tf.float64), random(5, 5, 2, 1, dtype=tf.float64, seed=1)
    assert_gradients_match_differences(lambda x, w: ops.depthwise(x, w, stride), inputs)


def test_other_gradients_against_finite_differences() -> None:
    settings = {"momentum": MOMENTUM, "epsilon": EPSILON, "training": False}
    image, *affine = norm_inputs(tf.float64)
    assert_gradients_match_differences(
        lambda *inputs: ops.norm_silu(*inputs, **statistics(tf.float64), **settings), (image[:1, :2, :2], *affine)
    )
    x, *weights = squeeze_inputs(tf.float64)
    assert_gradients_match_differences(ops.squeeze_excite, (x[:1, :2, :2], *weights))
