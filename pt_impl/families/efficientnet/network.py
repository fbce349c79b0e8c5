"""EfficientNet in PyTorch. Mirror: `tf_impl/families/efficientnet/network.py`.

Tensors are channels-last in memory. Legend: N samples, C channels, H height, W width, B blocks, F features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pt_impl import ops
from pt_impl.families.efficientnet.inputs import Drops, Inputs
from pt_impl.layers import Linear, Weights
from shared.families.efficientnet.architecture import Architecture, Block


class Convolution(nn.Module):
    """A convolution without bias, "same" padding, computed in the input's precision."""

    def __init__(self, weights: Weights, name: str, stride: int = 1, depthwise: bool = False) -> None:
        super().__init__()
        value = torch.tensor(weights[f"{name}.weight"])
        self.weight = nn.Parameter(value.contiguous(memory_format=torch.channels_last))
        self.stride = stride
        self.depthwise = depthwise
        self.ambiguous = value.shape[1] == 1 or value.shape[2:] == (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride), rounded up."""
        # Where both memory layouts coincide, a kernel's gradient may carry the strides of either; through these views
        # it carries the parameter's, without which DistributedDataParallel warns and copies.
        weight = self.weight.flatten(1).view_as(self.weight) if self.ambiguous else self.weight
        apply = ops.depthwise if self.depthwise else ops.convolution
        return apply(x, weight.to(x.dtype), self.stride)


class BatchNorm(nn.Module):
    """Batch norm over N, H, W, followed by SiLU where `activate` is set."""

    def __init__(self, weights: Weights, name: str, momentum: float, epsilon: float, activate: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))
        self.register_buffer("running_mean", torch.tensor(weights[f"{name}.running_mean"]))
        self.register_buffer("running_var", torch.tensor(weights[f"{name}.running_var"]))
        self.momentum = momentum
        self.epsilon = epsilon
        self.activate = activate

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, H, W) to the same."""
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


class ConvNorm(nn.Module):
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

    def forward(self, x: Tensor, training: bool) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        return self.norm(self.conv(x), training)


class MBConv(nn.Module):
    """Mobile inverted bottleneck: expand, depthwise, squeeze-and-excite, project, and add where shapes allow."""

    def __init__(self, weights: Weights, name: str, block: Block, momentum: float, epsilon: float) -> None:
        super().__init__()
        self.expand = ConvNorm(weights, f"{name}.expand", momentum, epsilon) if block.expands else None
        self.depthwise = ConvNorm(weights, f"{name}.depthwise", momentum, epsilon, stride=block.stride, depthwise=True)
        self.squeeze = Linear(weights, f"{name}.squeeze")
        self.excite = Linear(weights, f"{name}.excite")
        self.project = ConvNorm(weights, f"{name}.project", momentum, epsilon, activate=False)
        self.residual = block.residual

    def forward(self, x: Tensor, keep: Tensor | None, training: bool) -> Tensor:
        """(N, C, H, W) to (N, C', H', W'); `keep` (N): the branch's factor per sample, None keeps all."""
        h = x if self.expand is None else self.expand(x, training)
        h = self.depthwise(h, training)
        h = ops.squeeze_excite(h, *self.squeeze.tensors(h.dtype), *self.excite.tensors(h.dtype))
        h = self.project(h, training)
        if not self.residual:
            return h
        return x + h if keep is None else torch.addcmul(x, h, keep.to(h.dtype)[:, None, None, None])


class EfficientNet(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        momentum, epsilon = arch.norm_momentum, arch.norm_epsilon
        self.arch = arch
        self.stem = ConvNorm(weights, "stem", momentum, epsilon, stride=2)
        self.blocks = nn.ModuleList(
            MBConv(weights, f"blocks.{index}", block, momentum, epsilon) for index, block in enumerate(arch.blocks)
        )
        self.head = ConvNorm(weights, "head", momentum, epsilon)
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> Tensor:
        """Images to features (N, F)."""
        training = training and not self.arch.fixed_statistics
        keep_block = drops and drops.keep_block
        x = self.stem(inputs.images, training)
        for index, block in enumerate(self.blocks):
            x = block(x, None if keep_block is None else keep_block[:, index], training)
        return self.head(x, training).mean((2, 3))

    def classify(self, features: Tensor, drops: Drops | None) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        if drops is not None and drops.keep_unit is not None:
            features = features * drops.keep_unit.to(features.dtype)
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> Tensor:
        """Images to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
