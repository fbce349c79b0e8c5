"""Differences that the ladder plants in PyTorch's softmax regression."""

from __future__ import annotations

import torch

from pt_impl.layers import Linear


def bias_forgotten() -> None:
    """The classifier adds no bias."""
    Linear.forward = lambda self, x: torch.nn.functional.linear(x, self.weight.to(x.dtype)) + 0 * self.bias.sum()
