"""SGD of shared.sgd and AdamW of shared.adamw. Mirror: `tf_impl/optimizer.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from shared import sections
from shared.adamw import decays, rate_factors
from shared.spec import TextWorkload, Workload


class Optimizer:
    """One of torch's optimizers, its rate set every step."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self._torch: torch.optim.Optimizer

    def apply(self, gradients: Sequence[Tensor], rate: float, scaler: torch.amp.GradScaler) -> None:
        """One step with gradients of the mean loss over the global batch, in the order of the parameters.

        Args:
            rate: the schedule's.
            scaler: has scaled the gradients; if one is not finite, the step is skipped (shared.loss_scale).
        """
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        for group in self._torch.param_groups:
            group["lr"] = rate * group["rate_factor"]
        scaler.step(self._torch)
        scaler.update()
        self._torch.zero_grad(set_to_none=True)


class Sgd(Optimizer):
    """The update rule of shared.sgd, in PyTorch's fused kernel."""

    def __init__(self, parameters: Iterable[nn.Parameter], settings: sections.Sgd) -> None:
        super().__init__(parameters)
        group = {"params": self.parameters, "rate_factor": 1.0}
        self._torch = torch.optim.SGD(
            [group], lr=0.0, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
        )


class AdamW(Optimizer):
    """The update rule of shared.adamw, in PyTorch's fused kernel."""

    def __init__(self, parameters: Mapping[str, nn.Parameter], factors: Mapping[str, float], settings: sections.AdamW):
        """Parameters by name, and each one's rate over the schedule's."""
        super().__init__(parameters.values())
        alike: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            alike.setdefault((factors[name], decays(name, settings)), []).append(parameter)
        self._torch = torch.optim.AdamW(
            [
                {"params": group, "rate_factor": factor, "weight_decay": decay}
                for (factor, decay), group in alike.items()
            ],
            lr=0.0,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            fused=True,
        )


def make_optimizer(network: nn.Module, trained: nn.Module, workload: Workload) -> Optimizer:
    """The workload's optimizer for the trained part of a network."""
    if not isinstance(workload, TextWorkload):
        return Sgd(trained.parameters(), workload.optimizer)
    return AdamW(network.canonical_parameters(), rate_factors(network.arch, workload), workload.optimizer)
