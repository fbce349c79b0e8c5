"""The parts of BERT that are no matrix product: PyTorch has a fused kernel for each. Mirror: `tf_impl/text_ops.py`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pt_impl.dropout import Dropout
from shared import dropout
from shared.dropout import threshold


def layer_norm(x: Tensor, scale: Tensor, offset: Tensor, epsilon: float) -> Tensor:
    """Layer norm over the last axis of x (..., H)."""
    return F.layer_norm(x, x.shape[-1:], scale.to(x.dtype), offset.to(x.dtype), epsilon)


def sum_norm(
    x: Tensor,
    change: Tensor,
    drops: Dropout,
    place: int,
    rate: float,
    scale: Tensor,
    offset: Tensor,
    epsilon: float,
) -> Tensor:
    """`layer_norm` of x + change (N, R, H each), some features of the change dropped."""
    if not threshold(rate):
        return layer_norm(x + change, scale, offset, epsilon)
    kept = drops.kept(place, rate, *change.shape[1:])
    return layer_norm(_Sum.apply(x, change, kept, dropout.scale(rate)), scale, offset, epsilon)


class _Sum(torch.autograd.Function):
    """x + what is kept of a change, times a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Tensor, kept: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.factor = factor
        return torch.addcmul(x, change, kept.to(x.dtype), value=factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return gradient, kept.to(gradient.dtype).mul_(ctx.factor).mul_(gradient), None, None


def gelu(x: Tensor) -> Tensor:
    """The exact GELU: x times the share of a normal distribution below x (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x)
