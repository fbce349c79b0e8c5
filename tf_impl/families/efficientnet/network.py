"""EfficientNet in TensorFlow. Mirror: `pt_impl/families/efficientnet/network.py`.

Tensors are channels-last. Legend: N samples, C channels, H height, W width, B blocks, F features, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.efficientnet.architecture import Architecture, Block
from tf_impl import ops
from tf_impl.families.efficientnet.inputs import Drops, Inputs
from tf_impl.layers import Linear, Weights, canonical_name, trained


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
        self.expand = ConvNorm(weights, f"{name}.expand", momentum, epsilon) if block.expands else None
        self.depthwise = ConvNorm(weights, f"{name}.depthwise", momentum, epsilon, stride=block.stride, depthwise=True)
        self.squeeze = Linear(weights, f"{name}.squeeze")
        self.excite = Linear(weights, f"{name}.excite")
        self.project = ConvNorm(weights, f"{name}.project", momentum, epsilon, activate=False)
        self.residual = block.residual

    def __call__(self, x: tf.Tensor, keep: tf.Tensor | None, training: bool) -> tf.Tensor:
        """(N, H, W, C) to (N, H', W', C'); `keep` (N): the branch's factor per sample, None keeps all."""
        h = x if self.expand is None else self.expand(x, training)
        h = self.depthwise(h, training)
        h = ops.squeeze_excite(h, *self.squeeze.tensors(h.dtype), *self.excite.tensors(h.dtype))
        h = self.project(h, training)
        if not self.residual:
            return h
        return x + h if keep is None else x + h * tf.cast(keep, h.dtype)[:, None, None, None]


class EfficientNet(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        momentum, epsilon = arch.norm_momentum, arch.norm_epsilon
        self.arch = arch
        self.stem = ConvNorm(weights, "stem", momentum, epsilon, stride=2)
        self.blocks = [
            MBConv(weights, f"blocks.{index}", block, momentum, epsilon) for index, block in enumerate(arch.blocks)
        ]
        self.head = ConvNorm(weights, "head", momentum, epsilon)
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> tf.Tensor:
        """Images to features (N, F)."""
        training = training and not self.arch.fixed_statistics
        keep_block = drops and drops.keep_block
        x = self.stem(inputs.images, training)
        for index, block in enumerate(self.blocks):
            x = block(x, None if keep_block is None else keep_block[:, index], training)
        return tf.reduce_mean(self.head(x, training), [1, 2])

    def classify(self, features: tf.Tensor, drops: Drops | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K)."""
        if drops is not None and drops.keep_unit is not None:
            features = features * tf.cast(drops.keep_unit, features.dtype)
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> tf.Tensor:
        """Images to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
