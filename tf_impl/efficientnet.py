"""EfficientNet in TensorFlow; `pt_impl/efficientnet.py` is its mirror.

Tensors are channels-last. Legend: N samples, C channels, H height, W width, B blocks, F features, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.efficientnet import Architecture, Block
from tf_impl import ops
from tf_impl.layers import Linear, Weights, trained


def _statistic(weights: Weights, name: str) -> tf.Variable:
    """A batch-norm statistic: every replica moves its own, outside a replica the first one's is read."""
    return tf.Variable(
        weights[name],
        name=name,
        trainable=False,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


class Convolution(tf.Module):
    """A convolution without bias, "same" padding, computed in the input's precision."""

    def __init__(self, weights: Weights, name: str, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.stride = stride
        self.depthwise = depthwise

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, H, W, C) to (N, H / stride, W / stride, C'), rounded up."""
        apply = ops.depthwise if self.depthwise else ops.convolution
        return apply(x, tf.cast(self.weight, x.dtype), self.stride)


class BatchNorm(tf.Module):
    """Batch norm over N, H, W, followed by SiLU where `activate` is set."""

    def __init__(self, weights: Weights, name: str, momentum: float, epsilon: float, activate: bool) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")
        self.running_mean = _statistic(weights, f"{name}.running_mean")
        self.running_var = _statistic(weights, f"{name}.running_var")
        self.momentum = momentum
        self.epsilon = epsilon
        self.activate = activate

    def __call__(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """(N, H, W, C) to the same."""
        apply = ops.norm_silu if self.activate else ops.batch_norm
        return apply(
            x,
            self.weight,
            self.bias,
            self.running_mean,
            self.running_var,
            momentum=self.momentum,
            epsilon=self.epsilon,
            training=training,
        )


class ConvNorm(tf.Module):
    """Convolution, batch norm and, unless told not to, SiLU."""

    def __init__(
        self,
        weights: Weights,
        name: str,
        momentum: float,
        epsilon: float,
        stride: int = 1,
        depthwise: bool = False,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.conv = Convolution(weights, f"{name}.conv", stride, depthwise)
        self.norm = BatchNorm(weights, f"{name}.norm", momentum, epsilon, activate)

    def __call__(self, x: tf.Tensor, training: bool) -> tf.Tensor:
        """(N, H, W, C) to (N, H / stride, W / stride, C')."""
        return self.norm(self.conv(x), training)


class MBConv(tf.Module):
    """Mobile inverted bottleneck: expand, depthwise, squeeze-and-excite, project, and add where shapes allow."""

    def __init__(self, weights: Weights, name: str, block: Block, momentum: float, epsilon: float) -> None:
        super().__init__()
        norm = {"momentum": momentum, "epsilon": epsilon}
        self.expand = ConvNorm(weights, f"{name}.expand", **norm) if block.expands else None
        self.depthwise = ConvNorm(weights, f"{name}.depthwise", **norm, stride=block.stride, depthwise=True)
        self.squeeze = Linear(weights, f"{name}.squeeze")
        self.excite = Linear(weights, f"{name}.excite")
        self.project = ConvNorm(weights, f"{name}.project", **norm, activate=False)
        self.residual = block.residual

    def __call__(self, x: tf.Tensor, keep: tf.Tensor | None, training: bool) -> tf.Tensor:
        """(N, H, W, C) to (N, H', W', C'); `keep` (N): the branch's factor a sample, None keeps all."""
        h = x if self.expand is None else self.expand(x, training)
        h = self.depthwise(h, training)
        h = ops.squeeze_excite(h, *self.squeeze.tensors(h.dtype), *self.excite.tensors(h.dtype))
        h = self.project(h, training)
        if not self.residual:
            return h
        return x + h if keep is None else x + h * tf.cast(keep, h.dtype)[:, None, None, None]


class EfficientNet(tf.Module):
    """The network of an architecture, from weights by canonical name (shared.efficientnet.parameter_shapes)."""

    def __init__(self, arch: Architecture, weights: Weights, norm_momentum: float, norm_epsilon: float) -> None:
        super().__init__()
        norm = {"momentum": norm_momentum, "epsilon": norm_epsilon}
        self.arch = arch
        self.stem = ConvNorm(weights, "stem", **norm, stride=2)
        self.blocks = [MBConv(weights, f"blocks.{index}", block, **norm) for index, block in enumerate(arch.blocks)]
        self.head = ConvNorm(weights, "head", **norm)
        self.classifier = Linear(weights, "classifier")

    def features(self, images: tf.Tensor, keep_block: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Images (N, H, W, 3) to features (N, F); `keep_block` (N, B) as in shared.draws."""
        x = self.stem(images, training)
        for index, block in enumerate(self.blocks):
            x = block(x, None if keep_block is None else keep_block[:, index], training)
        return tf.reduce_mean(self.head(x, training), [1, 2])

    def classify(self, features: tf.Tensor, keep_unit: tf.Tensor | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K); `keep_unit` (N, F) as in shared.draws."""
        if keep_unit is not None:
            features = features * tf.cast(keep_unit, features.dtype)
        return self.classifier(features)

    def __call__(
        self,
        images: tf.Tensor,
        keep_block: tf.Tensor | None = None,
        keep_unit: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Images (N, H, W, 3) to logits (N, K)."""
        return self.classify(self.features(images, keep_block, training), keep_unit)
