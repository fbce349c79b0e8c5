"""The parts of BERT that are no matrix product: PyTorch has a fused kernel for each. Mirror: `tf_impl/text_ops.py`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pt_impl import dropout
from pt_impl.dropout import Dropout
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
    factors = dropout.factors(*drops.source(place, change.shape), change, rate)
    return layer_norm(torch.addcmul(x, change, factors), scale, offset, epsilon)


def gelu(x: Tensor) -> Tensor:
    """The exact GELU: x times the share of a normal distribution below x (Hendrycks and Gimpel, 2016)."""
    return F.gelu(x)
