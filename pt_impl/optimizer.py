"""SGD of shared.sgd and AdamW of shared.adamw. Mirror: `tf_impl/optimizer.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared import sections
from shared.family import ParameterGroup

Groups = Mapping[str, ParameterGroup]


class Optimizer:
    """One of torch's optimizers, in its fused kernel, its learning rate set every step."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], groups: Groups) -> None:
        """Parameters by name, and how each is trained."""
        self.parameters = list(parameters.values())
        alike: dict[ParameterGroup, list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            alike.setdefault(groups[name], []).append(parameter)
        self.param_groups: list[dict[str, Any]] = [
            {"params": group, "rate_factor": factor, "weight_decay": decay} for (factor, decay), group in alike.items()
        ]
        self._torch: torch.optim.Optimizer

    def apply(self, gradients: Sequence[Tensor], learning_rate: float, scaler: torch.amp.GradScaler) -> None:
        """One step with gradients of the mean loss over the global batch, in the order of the parameters.

        Args:
            learning_rate: the schedule's.
            scaler: has scaled the gradients; if one is not finite, the step is skipped (shared.loss_scale).
        """
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        for group in self._torch.param_groups:
            group["lr"] = learning_rate * group["rate_factor"]
        scaler.step(self._torch)
        scaler.update()
        self._torch.zero_grad(set_to_none=True)


class Sgd(Optimizer):
    """The update rule of shared.sgd."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], groups: Groups, settings: sections.Sgd) -> None:
        super().__init__(parameters, groups)
        self._torch = torch.optim.SGD(self.param_groups, lr=0.0, momentum=settings.momentum, fused=True)


class AdamW(Optimizer):
    """The update rule of shared.adamw."""

    def __init__(
        self, parameters: Mapping[str, nn.Parameter], groups: Groups, settings: sections.AdamW | sections.Adam
    ) -> None:
        super().__init__(parameters, groups)
        betas = (settings.beta1, settings.beta2)
        self._torch = torch.optim.AdamW(self.param_groups, lr=0.0, betas=betas, eps=settings.epsilon, fused=True)


def make_optimizer(parameters: Mapping[str, nn.Parameter], groups: Groups, settings: sections.Optimizer) -> Optimizer:
    """The optimizer of a workload for some parameters by name."""
    if isinstance(settings, sections.Sgd):
        return Sgd(parameters, groups, settings)
    return AdamW(parameters, groups, settings)
