"""The average of the weights, see `shared.average`. Mirror: `tf_impl/averages.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from shared import sections
from shared.average import correction


class Average:
    """The average of some tensors, which are moved from step to step."""

    def __init__(self, tensors: Sequence[Tensor], settings: sections.Average) -> None:
        self.tensors, self.decay = [tensor.detach() for tensor in tensors], settings.decay
        make = torch.clone if settings.start == "copy" else torch.zeros_like
        self.averages = [make(tensor) for tensor in self.tensors]
        self.num_steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """After a step."""
        self.num_steps += 1
        torch._foreach_lerp_(self.averages, self.tensors, 1.0 - self.decay)

    @torch.no_grad()
    def take_over(self) -> None:
        """Put the averages in the tensors' place."""
        divisor = correction(self.decay, self.num_steps)
        for tensor, average in zip(self.tensors, self.averages, strict=True):
            if self.num_steps:
                tensor.copy_(average / divisor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """With the averages in the tensors' place."""
        trained = [tensor.clone() for tensor in self.tensors]
        try:
            self.take_over()
            yield
        finally:
            for tensor, value in zip(self.tensors, trained, strict=True):
                tensor.copy_(value)
