"""The parts of BERT that are no matrix product: PyTorch has a fused kernel for each. Mirror: `tf_impl/text_ops.py`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from pt_impl.dropout import Dropout


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
    return layer_norm(drops.add(x, change, place, rate), scale, offset, epsilon)


def gelu(x: Tensor) -> Tensor:
    """The exact GELU: x times the share of a normal distribution below x (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x)
