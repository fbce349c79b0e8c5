"""EfficientNet in PyTorch; `tf_impl/model.py` is its mirror, line by line.

Legend of shape suffixes: N samples, C channels, H height, W width, K classes, B blocks.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.efficientnet import Architecture, Block, same_padding


class Convolution(nn.Module):
    """A bias-free 2-D convolution with TensorFlow's "same" padding (shared.efficientnet.same_padding)."""

    def __init__(self, weights: Mapping[str, np.ndarray], name: str, stride: int = 1, depthwise: bool = False):
        super().__init__()
        self.weight = nn.Parameter(
            torch.tensor(weights[f"{name}.weight"]).contiguous(memory_format=torch.channels_last)
        )
        self.kernel = self.weight.shape[-1]
        self.stride = stride
        self.groups = self.weight.shape[0] if depthwise else 1

    def forward(self, x_NCHW: Tensor) -> Tensor:
        weight = self.weight.to(x_NCHW.dtype)
        top, bottom = same_padding(x_NCHW.shape[2], self.kernel, self.stride)
        left, right = same_padding(x_NCHW.shape[3], self.kernel, self.stride)
        if MODE == "embed" and (top, left) == (bottom - 1, right - 1):
            # One zero more at the end than at the start. Padding the activation would copy it; a zero row and column
            # in front of the kernel shifts the window instead, and the padding becomes symmetric.
            weight = F.pad(weight, (1, 0, 1, 0))
            return F.conv2d(x_NCHW, weight, stride=self.stride, padding=(bottom, right), groups=self.groups)
        if (top, left) != (bottom, right):
            x_NCHW = F.pad(x_NCHW, (left, right, top, bottom))
            top = left = 0
        return F.conv2d(x_NCHW, weight, stride=self.stride, padding=(top, left), groups=self.groups)
MODE = "embed"


class BatchNorm(nn.Module):
    def __init__(self, weights, name, momentum, epsilon):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))
        self.register_buffer("running_mean", torch.tensor(weights[f"{name}.running_mean"]))
        self.register_buffer("running_var", torch.tensor(weights[f"{name}.running_var"]))
        self.momentum = momentum
        self.epsilon = epsilon

    def forward(self, x):
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, self.training, 1 - self.momentum, self.epsilon)


class ConvNorm(nn.Module):
    def __init__(self, weights, name, stride=1, depthwise=False, activate=True):
        super().__init__()
        self.conv = Convolution(weights, f"{name}.conv", stride, depthwise)
        self.norm = BatchNorm(weights, f"{name}.norm", .99, 1e-3)
        self.activate = activate

    def forward(self, x):
        x = self.norm(self.conv(x))
        return F.silu(x) if self.activate else x


class Linear(nn.Module):
    def __init__(self, weights, name):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class MBConv(nn.Module):
    def __init__(self, weights, name, block: Block):
        super().__init__()
        self.block = block
        self.expand = ConvNorm(weights, f"{name}.expand") if block.expands else None
        self.depthwise = ConvNorm(weights, f"{name}.depthwise", block.stride, depthwise=True)
        self.squeeze = Linear(weights, f"{name}.squeeze")
        self.excite = Linear(weights, f"{name}.excite")
        self.project = ConvNorm(weights, f"{name}.project", activate=False)

    def forward(self, x, keep):
        h = self.expand(x) if self.expand is not None else x
        h = self.depthwise(h)
        gate = torch.sigmoid(self.excite(F.silu(self.squeeze(h.mean((2, 3))))))
        h = self.project(h * gate[:, :, None, None])
        if not self.block.residual:
            return h
        return x + h if keep is None else torch.addcmul(x, h, keep[:, None, None, None])


class EfficientNet(nn.Module):
    def __init__(self, arch: Architecture, weights):
        super().__init__()
        self.stem = ConvNorm(weights, "stem", stride=2)
        self.blocks = nn.ModuleList(MBConv(weights, f"blocks.{i}", b) for i, b in enumerate(arch.blocks))
        self.head = ConvNorm(weights, "head")
        self.classifier = Linear(weights, "classifier")

    def forward(self, x, keep_block=None, keep_unit=None):
        x = self.stem(x)
        for i, block in enumerate(self.blocks):
            x = block(x, None if keep_block is None else keep_block[:, i])
        f = self.head(x).mean((2, 3))
        if keep_unit is not None:
            f = f * keep_unit
        return self.classifier(f)
