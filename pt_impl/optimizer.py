"""SGD of shared.sgd. Mirror: `tf_impl/optimizer.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from shared import spec


class Sgd:
    """The update rule of shared.sgd, in PyTorch's fused kernel."""

    def __init__(self, parameters: Iterable[nn.Parameter], settings: spec.Optimizer) -> None:
        self.parameters = list(parameters)
        self._sgd = torch.optim.SGD(
            self.parameters, lr=0.0, momentum=settings.momentum, weight_decay=settings.weight_decay, fused=True
        )

    def apply(self, gradients: Sequence[Tensor], rate: float, scaler: torch.amp.GradScaler) -> None:
        """One step with gradients of the mean loss over the global batch, in the order of the parameters.

        Args:
            scaler: has scaled the gradients; if one is not finite, the step is skipped (shared.loss_scale).
        """
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self._sgd.param_groups[0]["lr"] = rate
        scaler.step(self._sgd)
        scaler.update()
        self._sgd.zero_grad(set_to_none=True)
