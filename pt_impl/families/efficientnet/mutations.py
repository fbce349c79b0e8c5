"""Differences that the ladder plants in PyTorch's EfficientNet.

Mirror: `tf_impl/families/efficientnet/mutations.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pt_impl import ops, optimizer
from pt_impl.families.efficientnet import inputs, network


def symmetric_padding() -> None:
    """As many zeros before as after, also at stride 2 on an even size."""
    ops.same_padding = lambda size, kernel, stride: (kernel // 2, kernel // 2)


def half_the_gradient_of_a_bias() -> None:
    """The bias of every excite layer gets half its gradient."""
    squeeze_excite = ops.squeeze_excite

    def halved(x: Tensor, reduce: Tensor, reduce_bias: Tensor, expand: Tensor, expand_bias: Tensor) -> Tensor:
        return squeeze_excite(x, reduce, reduce_bias, expand, (expand_bias + expand_bias.detach()) / 2)

    ops.squeeze_excite = halved


def other_norm_momentum() -> None:
    """The momentum of every batch norm is 0.001 less."""
    init = network.BatchNorm.__init__

    def other(
        self: network.BatchNorm, weights: network.Weights, name: str, momentum: float, epsilon: float, activate: bool
    ) -> None:
        init(self, weights, name, momentum - 0.001, epsilon, activate)

    network.BatchNorm.__init__ = other  # type: ignore[method-assign]


def decoupled_decay() -> None:
    """Weights shrink by themselves, not through the gradient."""
    step = optimizer.Sgd.apply

    def apply(
        self: optimizer.Sgd, gradients: Sequence[Tensor], learning_rate: float, scaler: torch.amp.GradScaler
    ) -> None:
        (group,) = self._torch.param_groups
        decay, group["weight_decay"] = group["weight_decay"], 0.0
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.mul_(1 - learning_rate * decay)
        step(self, gradients, learning_rate, scaler)
        group["weight_decay"] = decay

    optimizer.Sgd.apply = apply  # type: ignore[assignment, method-assign]


def sheared_the_other_way() -> None:
    """The first page of a batch is sheared the other way."""
    network_input = inputs.network_input

    def other_way(
        pixels: Tensor, shear: Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
    ) -> Tensor:
        shear = shear.clone()
        shear[0] = -shear[0]
        return network_input(pixels, shear, mean, std, dtype)

    inputs.network_input = other_way
