"""The places where plain PyTorch leaves CPU time on the table, each with its own backward pass.

Profile of EfficientNet-B0 training (384 px, batch 8, fp32, two AVX-512 cores) before and after: 5x5 depthwise weight
gradients 100 -> 30 ms of an 890 ms step, SiLU and batch norm backward 130 -> 60 ms, squeeze-and-excitation 80 -> 40 ms.
On CUDA the plain operators run: cuDNN has none of these gaps. Every function computes what its plain form computes; the
tests hold it to that. Legend: N samples, C channels, H height, W width, S squeezed channels.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.padding import same_padding

aten = torch.ops.aten
SLOW_ON_SMALL_MAPS = torch.backends.cpu.get_cpu_capability() != "AVX512"


def convolution(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """2-D convolution with TensorFlow's "same" padding. x (N, C, H, W), weight (out, C / groups, k, k)."""
    kernel, groups = weight.shape[-1], x.shape[1] // weight.shape[1]
    top, bottom = same_padding(x.shape[2], kernel, stride)
    left, right = same_padding(x.shape[3], kernel, stride)
    if (top, left) != (bottom, right):  # stride 2: the odd zero goes after
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, stride=stride, padding=(top, left), groups=groups)


def depthwise(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Depthwise convolution, "same" padding. x (N, C, H, W), weight (C, 1, k, k)."""
    kernel, (height, width) = weight.shape[-1], x.shape[2:]
    if x.is_cuda or not torch.is_grad_enabled():
        return convolution(x, weight, stride)
    if SLOW_ON_SMALL_MAPS and stride == 1 and kernel > min(height, width):
        return _DepthwiseOnSmallMap.apply(x, weight)
    if kernel == 5 and height % 2 == 0 and width % 2 == 0:
        return _Depthwise5.apply(x, weight, stride)
    return convolution(x, weight, stride)


class _DepthwiseOnSmallMap(torch.autograd.Function):
    """A depthwise convolution on a map smaller than its kernel, the weight gradient taken tap by tap.

    Without AVX-512 oneDNN has no kernel for that gradient and takes a matrix product per channel: a step of the
    `quick` preset (64 px) on one AVX2 core takes 450 ms with it, 220 ms with the taps.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, padding=weight.shape[-1] // 2, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        (height, width), middle = x.shape[2:], weight.shape[-1] // 2
        padding = (middle, middle)
        grad_x, _ = _convolution_gradients(gradient, x, weight, (1, 1), padding, (True, False))
        grad_weight = torch.zeros_like(weight)
        for down in range(-min(middle, height - 1), min(middle, height - 1) + 1):  # the others see padding alone
            for right in range(-min(middle, width - 1), min(middle, width - 1) + 1):
                seen = x[:, :, max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
                moved = gradient[:, :, max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
                grad_weight[:, 0, middle + down, middle + right] = (seen * moved).sum((0, 2, 3))
        return grad_x, grad_weight


class _Depthwise5(torch.autograd.Function):
    """A 5x5 depthwise convolution whose weight gradient is computed in pieces at most 3 wide.

    oneDNN's depthwise weight-gradient kernel is five to ten times slower for kernels wider than 3 than for 5x3 ones. In
    channels-last memory two neighbouring columns are one column of 2C channels, without a copy, and in that view every
    other tap of a 5-wide kernel is its neighbour: so 5 taps are covered by kernels 3 wide.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        if stride == 2:  # zeros: 1 before and 2 after, and one more that keeps the width even
            x = F.pad(x, (1, 3, 1, 2))
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight, stride=stride, padding=2 if stride == 1 else 0, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        stride, channels = ctx.stride, weight.shape[0]
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        padding = 2 if stride == 1 else 0
        grad_x, _ = _convolution_gradients(gradient, x, weight, (stride, stride), (padding, padding), (True, False))
        if stride == 1:
            odd = _weight_gradient(gradient, x, (1, 1), (2, 1))  # taps 1, 2, 3
            even = _weight_gradient(_column_pairs(gradient), _column_pairs(x), (1, 1), (2, 1))  # taps 0, 2, 4, twice
            even = even[:channels] + even[channels:]
            taps = [even[..., 0], odd[..., 0], odd[..., 1], odd[..., 2], even[..., 2]]
        else:
            both = _weight_gradient(torch.cat([gradient, gradient], 1), _column_pairs(x), (2, 1), (0, 0))
            first, second = both[:channels], both[channels:]  # taps 0, 2, 4 and 1, 3
            taps = [first[..., 0], second[..., 0], first[..., 1], second[..., 1], first[..., 2]]
            grad_x = grad_x[:, :, 1:-2, 1:-3]
        return grad_x, torch.stack(taps, -1), None


def _column_pairs(x: Tensor) -> Tensor:
    """View (N, C, H, W) channels-last as (N, 2C, H, W / 2): two neighbouring columns become channels."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(n, h, w // 2, 2 * c).permute(0, 3, 1, 2)


def _weight_gradient(gradient: Tensor, x: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """Gradient (C, 1, 5, 3) of a depthwise 5x3 kernel."""
    shape_only = torch.empty((x.shape[1], 1, 5, 3), dtype=x.dtype)
    return _convolution_gradients(gradient, x, shape_only, stride, padding, (False, True))[1]


def _convolution_gradients(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    wanted: tuple[bool, bool],
) -> tuple[Tensor, Tensor]:
    """Input and weight gradient of a depthwise convolution, each only if wanted."""
    grad_x, grad_weight, _ = aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), weight.shape[0], (*wanted, False)
    )
    return grad_x, grad_weight


def batch_norm(
    x: Tensor,
    scale: Tensor,
    offset: Tensor,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    epsilon: float,
    training: bool,
) -> Tensor:
    """Batch norm of x (N, C, H, W); in training `mean` and `variance` move by 1 - momentum towards the batch's.

    The variance moves towards the unbiased one, n / (n - 1) of the one that normalises (torch's rule, ours).
    """
    return F.batch_norm(x, mean, variance, scale, offset, training, 1.0 - momentum, epsilon)


def norm_silu(
    x: Tensor,
    scale: Tensor,
    offset: Tensor,
    mean: Tensor,
    variance: Tensor,
    momentum: float,
    epsilon: float,
    training: bool,
) -> Tensor:
    """SiLU of `batch_norm`, one backward pass for both."""
    if x.is_cuda or not training or not torch.is_grad_enabled():
        return F.silu(batch_norm(x, scale, offset, mean, variance, momentum, epsilon, training))
    return _NormSilu.apply(x, scale, offset, mean, variance, 1.0 - momentum, epsilon)


class _NormSilu(torch.autograd.Function):
    """Batch norm and SiLU. The normalised values are ours alone, so the backward pass overwrites them in place
    (a fresh tensor of that size costs as much as the arithmetic)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, offset: Tensor, mean: Tensor, variance: Tensor, step: float, epsilon: float
    ) -> Tensor:
        normed, batch_mean, inverse_std = torch.native_batch_norm(x, scale, offset, mean, variance, True, step, epsilon)
        ctx.save_for_backward(x, scale, normed, batch_mean, inverse_std)
        ctx.epsilon = epsilon
        return F.silu(normed)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, normed, batch_mean, inverse_std = ctx.saved_tensors
        aten.silu_backward.grad_input(gradient, normed, grad_input=normed)
        grads = aten.native_batch_norm_backward(
            normed, x, scale, None, None, batch_mean, inverse_std, True, ctx.epsilon, (True, True, True)
        )
        return *grads, None, None, None, None


def squeeze_excite(x: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor) -> Tensor:
    """x * sigmoid(W2 silu(W1 mean(x) + b1) + b2). x (N, C, H, W), reduce (S, C), expand (C, S)."""
    if x.is_cuda or not torch.is_grad_enabled():
        squeezed = F.silu(F.linear(x.mean((2, 3)), reduce, reduce_bias))
        return x * torch.sigmoid(F.linear(squeezed, expand, expand_bias))[:, :, None, None]
    return _SqueezeExcite.apply(x, reduce, reduce_bias, expand, expand_bias)


class _SqueezeExcite(torch.autograd.Function):
    """The input's two gradients (through the product and through the mean) in one pass over its size."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor
    ) -> Tensor:
        mean = x.mean((2, 3))
        hidden = F.linear(mean, reduce, reduce_bias)
        gate = torch.sigmoid(F.linear(F.silu(hidden), expand, expand_bias))
        ctx.save_for_backward(x, reduce, expand, mean, hidden, gate)
        return x * gate[:, :, None, None]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        x, reduce, expand, mean, hidden, gate = ctx.saved_tensors
        grad_gate = (gradient * x).sum((2, 3)) * gate * (1 - gate)
        grad_hidden = aten.silu_backward(grad_gate @ expand, hidden)
        grad_mean = (grad_hidden @ reduce) / (x.shape[2] * x.shape[3])
        grad_x = torch.addcmul(grad_mean[:, :, None, None], gradient, gate[:, :, None, None])
        return (
            grad_x,
            grad_hidden.t() @ mean,
            grad_hidden.sum(0),
            grad_gate.t() @ F.silu(hidden),
            grad_gate.sum(0),
        )
