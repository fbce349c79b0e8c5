"""ResNeXt with a feature pyramid, of which the finest level is read. Mirror: `pt_impl/families/layoutlmv2/backbone.py`.

Tensors are channels-last. Legend: N pages, C channels, H height, W width.
"""

from __future__ import annotations

from functools import cache

import tensorflow as tf

from shared.families.layoutlmv2.architecture import Backbone, Block, folded, is_trained_stage, stages
from shared.layouts import to_hwio
from tf_impl.kernels import on_gpu
from tf_impl.layers import Weights, trained


class Convolution(tf.Module):
    """A convolution, symmetric padding, and the frozen norm behind it.

    The norm is folded into the weight, a pass over the weight in place of one over every map.
    """

    def __init__(self, weights: Weights, name: str, is_trained: bool, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        full = f"{name}.weight"
        if is_trained:
            self.weight = trained(weights, full)
        else:
            self.weight = tf.Variable(to_hwio(full, weights[full]), name=full, trainable=False)
        self.norm = FrozenNorm(weights, name)
        self.stride, self.groups, self.padding = stride, groups, self.weight.shape[0] // 2

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, H / stride, W / stride, C')."""
        factor, summand = (tf.constant(each, x.dtype) for each in (self.norm.factor, self.norm.summand))
        weight = tf.cast(self.weight, x.dtype) * factor
        return tf.nn.bias_add(_convolution(x, weight, self.stride, self.padding, self.groups), summand)


def _convolution(x: tf.Tensor, weight: tf.Tensor, stride: int, padding: int, groups: int = 1) -> tf.Tensor:
    """A grouped convolution, symmetric padding: x (N, H, W, C), weight (k, k, C / groups, C')."""
    if stride > 1 and padding:  # TensorFlow's own padding would put the odd zero behind
        x = tf.pad(x, [[0, 0], [padding, padding], [padding, padding], [0, 0]])
    kind = "VALID" if stride > 1 else "SAME"
    if groups == 1:
        return tf.nn.conv2d(x, weight, stride, kind)
    if _has_gradient(x.dtype):
        # an identity that no optimiser of graphs sees through: with the bias made one kernel, groups are not supported
        return tf.raw_ops.PlaceholderWithDefault(input=tf.nn.conv2d(x, weight, stride, kind), shape=None)
    parts = zip(tf.split(x, groups, 3), tf.split(weight, groups, 3), strict=True)
    return tf.concat([tf.nn.conv2d(each, own, stride, kind) for each, own in parts], 3)


@cache
def _has_gradient(dtype: tf.DType) -> bool:
    """Whether TensorFlow has the gradient of a grouped convolution: on CPU oneDNN has it, but not in float64. Split
    into its groups and put together it is exact and half as fast."""
    if on_gpu():
        return True
    with tf.init_scope():  # at once, also where a step is being traced
        return _computes(dtype)


def _computes(dtype: tf.DType) -> bool:
    weight, upstream = tf.ones([3, 3, 2, 4], dtype), tf.ones([1, 4, 4, 4], dtype)
    try:
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=[1, 4, 4, 4], filter=weight, out_backprop=upstream, strides=[1, 1, 1, 1], padding="SAME"
        )
    except tf.errors.OpError:
        return False
    return True


class FrozenNorm(tf.Module):
    """The four vectors of a norm that stays as it is, and what they come to."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            full = f"{name}.norm.{tensor}"
            setattr(self, tensor, tf.Variable(weights[full], name=full, trainable=False))
        self.factor, self.summand = folded(weights, name)


class Plain(tf.Module):
    """A convolution with a bias, symmetric padding."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, H, W, C')."""
        weight = tf.cast(self.weight, x.dtype)
        return tf.nn.bias_add(_convolution(x, weight, 1, weight.shape[0] // 2), tf.cast(self.bias, x.dtype))


class Bottleneck(tf.Module):
    """1x1, grouped 3x3 with the stride, 1x1, and the way around added."""

    def __init__(self, weights: Weights, name: str, block: Block, groups: int) -> None:
        super().__init__()
        trained, stride, shortcut = block.trained, block.stride, block.has_shortcut
        self.shortcut = Convolution(weights, f"{name}.shortcut", trained, stride) if shortcut else None
        self.reduce = Convolution(weights, f"{name}.reduce", trained)
        self.grouped = Convolution(weights, f"{name}.grouped", trained, stride, groups)
        self.expand = Convolution(weights, f"{name}.expand", trained)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, H / stride, W / stride, C')."""
        changed = self.expand(tf.nn.relu(self.grouped(tf.nn.relu(self.reduce(x)))))
        return tf.nn.relu(changed + (x if self.shortcut is None else self.shortcut(x)))


class ResNeXtPyramid(tf.Module):
    """Images to the finest level of their pyramid."""

    def __init__(self, weights: Weights, name: str, backbone: Backbone) -> None:
        super().__init__()
        self.stem = Convolution(weights, f"{name}.stem", is_trained_stage(backbone, -1), stride=2)
        self.stages = [
            [
                Bottleneck(weights, f"{name}.stages.{stage}.{index}", block, backbone.groups)
                for index, block in enumerate(blocks)
            ]
            for stage, blocks in enumerate(stages(backbone))
        ]
        self.laterals = [Plain(weights, f"{name}.laterals.{stage}") for stage in range(len(backbone.blocks))]
        self.finest = Plain(weights, f"{name}.finest")

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """(N, H, W, 3) to (N, H / 4, W / 4, C)."""
        x = tf.nn.relu(self.stem(images))
        x = tf.nn.max_pool2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, "VALID")  # behind a ReLU 0 is the least
        maps = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x)
            maps.append(x)
        *finer, coarsest = zip(self.laterals, maps, strict=True)
        level = coarsest[0](coarsest[1])
        for lateral, seen in reversed(finer):
            level = lateral(seen) + _doubled(level)
        return self.finest(level)


def _doubled(x: tf.Tensor) -> tf.Tensor:
    """Each pixel of x (N, H, W, C) as four."""
    count, height, width, channels = x.shape
    spread = tf.broadcast_to(x[:, :, None, :, None], [count, height, 2, width, 2, channels])
    return tf.reshape(spread, [count, 2 * height, 2 * width, channels])
