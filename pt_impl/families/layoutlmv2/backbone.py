"""ResNeXt with a feature pyramid, of which the finest level is read. Mirror: `tf_impl/families/layoutlmv2/backbone.py`.

Tensors are channels-last in memory. Legend: N pages, C channels, H height, W width.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.layers import Weights
from shared.families.layoutlmv2.architecture import Backbone, Block, folded, is_trained_stage, stages


class Convolution(nn.Module):
    """A convolution, symmetric padding, and the frozen norm behind it.

    The norm is folded into the weight, a pass over the weight in place of one over every map.
    """

    def __init__(self, weights: Weights, name: str, is_trained: bool, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        value = torch.tensor(weights[f"{name}.weight"]).contiguous(memory_format=torch.channels_last)
        if is_trained:
            self.weight = nn.Parameter(value)
        else:
            self.register_buffer("weight", value)
        self.norm = FrozenNorm(weights, name)
        self.stride, self.groups, self.padding = stride, groups, value.shape[-1] // 2
        self.ambiguous = value.shape[1] == 1 or value.shape[2:] == (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        # as in the convolutions of EfficientNet: a gradient that carries the parameter's strides
        weight = self.weight.flatten(1).view_as(self.weight) if self.ambiguous else self.weight
        factor, summand = self.norm.factor.to(x.dtype), self.norm.summand.to(x.dtype)
        weight = weight.to(x.dtype) * factor[:, None, None, None]
        return F.conv2d(x, weight, summand, self.stride, self.padding, groups=self.groups)


class FrozenNorm(nn.Module):
    """The four vectors of a norm that stays as it is, and what they come to."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(tensor, torch.tensor(weights[f"{name}.norm.{tensor}"]))
        factor, summand = folded(weights, name)
        self.register_buffer("factor", torch.tensor(factor), persistent=False)
        self.register_buffer("summand", torch.tensor(summand), persistent=False)


class Plain(nn.Module):
    """A convolution with a bias, symmetric padding."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        value = torch.tensor(weights[f"{name}.weight"])
        self.weight = nn.Parameter(value.contiguous(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))
        self.padding = value.shape[-1] // 2
        self.ambiguous = value.shape[2:] == (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H, W)."""
        weight = self.weight.flatten(1).view_as(self.weight) if self.ambiguous else self.weight
        return F.conv2d(x, weight.to(x.dtype), self.bias.to(x.dtype), padding=self.padding)


class Bottleneck(nn.Module):
    """1x1, grouped 3x3 with the stride, 1x1, and the way around added."""

    def __init__(self, weights: Weights, name: str, block: Block, groups: int) -> None:
        super().__init__()
        trained, stride, shortcut = block.trained, block.stride, block.has_shortcut
        self.shortcut = Convolution(weights, f"{name}.shortcut", trained, stride) if shortcut else None
        self.reduce = Convolution(weights, f"{name}.reduce", trained)
        self.grouped = Convolution(weights, f"{name}.grouped", trained, stride, groups)
        self.expand = Convolution(weights, f"{name}.expand", trained)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H / stride, W / stride)."""
        changed = self.expand(F.relu(self.grouped(F.relu(self.reduce(x)))))
        return F.relu(changed + (x if self.shortcut is None else self.shortcut(x)))


class ResNeXtPyramid(nn.Module):
    """Images to the finest level of their pyramid."""

    def __init__(self, weights: Weights, name: str, backbone: Backbone) -> None:
        super().__init__()
        self.stem = Convolution(weights, f"{name}.stem", is_trained_stage(backbone, -1), stride=2)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                Bottleneck(weights, f"{name}.stages.{stage}.{index}", block, backbone.groups)
                for index, block in enumerate(blocks)
            )
            for stage, blocks in enumerate(stages(backbone))
        )
        self.laterals = nn.ModuleList(
            Plain(weights, f"{name}.laterals.{stage}") for stage in range(len(backbone.blocks))
        )
        self.finest = Plain(weights, f"{name}.finest")

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, C, H / 4, W / 4)."""
        x = F.max_pool2d(F.relu(self.stem(images)), 3, stride=2, padding=1)
        maps = []
        for blocks in self.stages:
            for block in blocks:
                x = block(x)
            maps.append(x)
        *finer, coarsest = zip(self.laterals, maps, strict=True)
        level = coarsest[0](coarsest[1])
        for lateral, seen in reversed(finer):
            level = lateral(seen) + F.interpolate(level, scale_factor=2.0, mode="nearest")
        return self.finest(level)
