"""Differences planted in PyTorch's hierarchical attention. Mirror: `tf_impl/families/han/mutations.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from pt_impl.families.han import network


def attention_without_tanh() -> None:
    """What is compared with a context is not squashed."""
    network.squashed = lambda x: x


def mean_of_sentences() -> None:
    """Every sentence has the same weight; words are attended to."""
    forward = network.Han.forward

    def alike(self: network.Han, *arguments: object, **keywords: object) -> Tensor:
        with torch.no_grad():
            self.sentences.context.zero_()
        return forward(self, *arguments, **keywords)  # type: ignore[arg-type]

    network.Han.forward = alike  # type: ignore[assignment, method-assign]
