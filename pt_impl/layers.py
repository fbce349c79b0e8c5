"""Layers that several networks have. Mirror: `tf_impl/layers.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

Weights = Mapping[str, np.ndarray]


class Linear(nn.Module):
    """x W^T + b, computed in the input's precision."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) to (N, out)."""
        weight, bias = self.tensors(x.dtype)
        return nn.functional.linear(x, weight, bias)

    def tensors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight (out, in) and bias (out) in a precision."""
        return self.weight.to(dtype), self.bias.to(dtype)
