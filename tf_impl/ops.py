"""The places where plain TensorFlow leaves CPU time on the table, each with its own gradient.

Profile of EfficientNet-B0 training (384 px, batch 8, fp32, two AVX-512 cores): Keras 3's batch norm is a chain of
elementwise kernels, TensorFlow's fused kernel is 1.5 times the whole step faster; the 5x5 depthwise filter gradients
take 130 ms of an 1100 ms step, 50 ms in pieces; elementwise kernels take 360 ms of an 890 ms step, and with those of
SiLU, its gradient and the excitation made one each the step takes 765 ms. On a GPU the plain operators run. Every
function computes what its plain form computes; the tests hold it to that. Mirror: `pt_impl/ops.py`. Legend: N samples,
C channels, H height, W width, S squeezed channels.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tf_impl.kernels import on_gpu, one_kernel

raw = tf.raw_ops


def convolution(x: tf.Tensor, weight: tf.Tensor, stride: int) -> tf.Tensor:
    """2-D convolution with "same" padding. x (N, H, W, C), weight (k, k, C, out)."""
    return tf.nn.conv2d(x, weight, stride, "SAME")


def depthwise(x: tf.Tensor, weight: tf.Tensor, stride: int) -> tf.Tensor:
    """Depthwise convolution, "same" padding. x (N, H, W, C), weight (k, k, C, 1)."""
    strides = [1, stride, stride, 1]
    splittable = weight.shape[0] == 5 and x.shape[1] % 2 == 0 and x.shape[2] % 2 == 0
    if on_gpu() or not splittable:
        return tf.nn.depthwise_conv2d(x, weight, strides, "SAME")

    @tf.custom_gradient
    def convolve(x: tf.Tensor, weight: tf.Tensor) -> tuple[tf.Tensor, Any]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            grad_x = raw.DepthwiseConv2dNativeBackpropInput(
                input_sizes=tf.shape(x), filter=weight, out_backprop=upstream, strides=strides, padding="SAME"
            )
            pieces = _filter_gradient_stride_1 if stride == 1 else _filter_gradient_stride_2
            return grad_x, pieces(x, upstream)

        return tf.nn.depthwise_conv2d(x, weight, strides, "SAME"), gradient

    return convolve(x, weight)


def _filter_gradient_stride_1(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """Gradient (5, 5, C, 1) of a 5x5 depthwise filter, in pieces at most 3 wide.

    oneDNN's kernel for it is five to ten times slower for filters wider than 3. Two neighbouring columns are one column
    of 2C channels, without a copy, and in that view every other tap of a 5-wide filter is its neighbour.
    """
    channels = x.shape[3]
    odd = _filter_gradient(x, upstream, 5)  # taps 1, 2, 3
    even = _filter_gradient(_column_pairs(x), _column_pairs(upstream), 5)  # taps 0, 2, 4, twice
    even = even[:, :, :channels] + even[:, :, channels:]
    return tf.stack([even[:, 0], odd[:, 0], odd[:, 1], odd[:, 2], even[:, 2]], axis=1)


def _filter_gradient_stride_2(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """The same at stride 2: in a view of 2x2 pixels as 4C channels it is a 3x3 gradient at stride 1."""
    _, height, width, channels = x.shape
    # tf.nn.space_to_depth does the same, two and a half times slower
    rows = tf.reshape(x, (-1, height // 2, 2, width // 2, 2 * channels))
    pixels = tf.reshape(tf.transpose(rows, (0, 1, 3, 2, 4)), (-1, height // 2, width // 2, 4 * channels))
    blocks = _filter_gradient(pixels, tf.tile(upstream, (1, 1, 1, 4)), 3)
    taps = tf.transpose(tf.reshape(blocks, (3, 3, 2, 2, channels)), (0, 2, 1, 3, 4))
    return tf.reshape(taps, (6, 6, channels, 1))[1:, 1:]  # "same" begins one pixel into the first 2x2 block


def _column_pairs(x: tf.Tensor) -> tf.Tensor:
    """View (N, H, W, C) as (N, H, W / 2, 2C): two neighbouring columns become channels."""
    _, height, width, channels = x.shape
    return tf.reshape(x, (-1, height, width // 2, 2 * channels))


def _filter_gradient(x: tf.Tensor, upstream: tf.Tensor, height: int) -> tf.Tensor:
    """Gradient (height, 3, C, 1) of a depthwise filter at stride 1, "same" padding."""
    return raw.DepthwiseConv2dNativeBackpropFilter(
        input=x,
        filter_sizes=(height, 3, x.shape[3], 1),
        out_backprop=upstream,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )


def batch_norm(
    x: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    mean: tf.Variable,
    variance: tf.Variable,
    momentum: float,
    epsilon: float,
    training: bool,
) -> tf.Tensor:
    """Batch norm of x (N, H, W, C); in training `mean` and `variance` move by 1 - momentum towards the batch's.

    The variance moves towards the unbiased one, n / (n - 1) of the one that normalises (torch's rule, ours; the fused
    kernel's too). The fused kernel does not exist in float64, which only the ladder uses: there it is spelt out.
    """
    old_mean, old_variance = tf.convert_to_tensor(mean), tf.convert_to_tensor(variance)
    if x.dtype == tf.float64:
        return _batch_norm_float64(x, scale, offset, mean, variance, momentum, epsilon, training)
    y, new_mean, new_variance, *_ = raw.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=old_mean,
        variance=old_variance,
        epsilon=epsilon,
        exponential_avg_factor=1.0 - momentum if training else 1.0,
        is_training=training,
    )
    if training:
        mean.assign(new_mean)
        variance.assign(new_variance)
    return y


def _batch_norm_float64(
    x: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    mean: tf.Variable,
    variance: tf.Variable,
    momentum: float,
    epsilon: float,
    training: bool,
) -> tf.Tensor:
    """`batch_norm` without the fused kernel."""
    if not training:
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, epsilon)
    batch_mean, batch_variance = tf.nn.moments(x, [0, 1, 2])
    count = tf.cast(tf.size(x) / tf.size(batch_mean), x.dtype)
    unbiased = batch_variance * count / (count - 1.0)
    mean.assign(momentum * mean + (1.0 - momentum) * batch_mean)
    variance.assign(momentum * variance + (1.0 - momentum) * unbiased)
    return tf.nn.batch_normalization(x, batch_mean, batch_variance, offset, scale, epsilon)


def norm_silu(
    x: tf.Tensor,
    scale: tf.Tensor,
    offset: tf.Tensor,
    mean: tf.Variable,
    variance: tf.Variable,
    momentum: float,
    epsilon: float,
    training: bool,
) -> tf.Tensor:
    """SiLU of `batch_norm`."""
    normed = batch_norm(x, scale, offset, mean, variance, momentum, epsilon, training)
    return tf.nn.silu(normed) if on_gpu() else _silu(normed)


@tf.custom_gradient
def _silu(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """x * sigmoid(x). Its gradient computes the sigmoid again: cheaper than to keep it and to read it back."""
    return _silu_value(x), lambda upstream: _silu_gradient(upstream, x)


@one_kernel
def _silu_value(x: tf.Tensor) -> tf.Tensor:
    """x * sigmoid(x)."""
    return x * tf.sigmoid(x)


@one_kernel
def _silu_gradient(upstream: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """g * (s + x * s * (1 - s)) with s = sigmoid(x)."""
    s = tf.sigmoid(x)
    return upstream * (s + x * (s * (1.0 - s)))


@one_kernel
def _gated(x: tf.Tensor, gate: tf.Tensor) -> tf.Tensor:
    """x (N, H, W, C) times a gate (N, C)."""
    return x * gate[:, None, None, :]


@one_kernel
def _gated_plus(x: tf.Tensor, gate: tf.Tensor, offset: tf.Tensor) -> tf.Tensor:
    """x (N, H, W, C) times a gate (N, C) plus an offset (N, C)."""
    return x * gate[:, None, None, :] + offset[:, None, None, :]


def squeeze_excite(
    x: tf.Tensor, reduce: tf.Tensor, reduce_bias: tf.Tensor, expand: tf.Tensor, expand_bias: tf.Tensor
) -> tf.Tensor:
    """x * sigmoid(W2 silu(W1 mean(x) + b1) + b2). x (N, H, W, C), reduce (C, S), expand (S, C).

    With a gradient that takes the input's two parts (through the product and through the mean) together.
    """

    @tf.custom_gradient
    def recalibrate(x: tf.Tensor, w1: tf.Tensor, b1: tf.Tensor, w2: tf.Tensor, b2: tf.Tensor) -> tuple[tf.Tensor, Any]:
        mean = tf.reduce_mean(x, [1, 2])
        hidden = tf.matmul(mean, w1) + b1
        active = tf.nn.silu(hidden)
        gate = tf.sigmoid(tf.matmul(active, w2) + b2)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            grad_gate = raw.SigmoidGrad(y=gate, dy=tf.reduce_sum(upstream * x, [1, 2]))
            grad_hidden = _silu_gradient(tf.matmul(grad_gate, w2, transpose_b=True), hidden)
            grad_mean = tf.matmul(grad_hidden, w1, transpose_b=True) / tf.cast(x.shape[1] * x.shape[2], x.dtype)
            return (
                _gated_plus(upstream, gate, grad_mean),
                tf.matmul(mean, grad_hidden, transpose_a=True),
                tf.reduce_sum(grad_hidden, 0),
                tf.matmul(active, grad_gate, transpose_a=True),
                tf.reduce_sum(grad_gate, 0),
            )

        return _gated(x, gate), gradient

    return recalibrate(x, reduce, reduce_bias, expand, expand_bias)
