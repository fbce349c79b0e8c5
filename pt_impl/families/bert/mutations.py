"""Differences that the ladder plants in PyTorch's BERT. Mirror: `tf_impl/families/bert/mutations.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pt_impl import mutations, optimizer, text_ops
from shared.families import bert
from shared.families.bert import batch
from shared.families.bert.architecture import Architecture
from shared.families.bert.batch import TextBatch
from shared.families.bert.settings import BertWorkload
from shared.family import ParameterGroup


def tanh_gelu() -> None:
    """GELU by its approximation."""
    text_ops.gelu = lambda x: torch.nn.functional.gelu(x, approximate="tanh")


def sep_missing() -> None:
    """Texts end without their [SEP]."""
    text_batch = bert.text_batch

    def without_sep(*arguments: Any) -> TextBatch:
        found = text_batch(*arguments)
        for row, length in enumerate(found.lengths):
            found.tokens[row, length - 1] = 0
        return found._replace(lengths=found.lengths - 1)

    bert.text_batch = without_sep  # type: ignore[assignment]
    mutations.load_in_this_process()


def epochs_drop_alike() -> None:
    """Every epoch drops what the first one did."""
    drop_keys = batch.drop_keys

    def first(seed: int, epoch: int, samples: np.ndarray, num_places: int) -> np.ndarray:
        return drop_keys(seed, 0, samples, num_places)

    batch.drop_keys = first
    mutations.load_in_this_process()


def samples_swapped() -> None:
    """Two texts of a batch drop what the other should."""
    drop_keys = batch.drop_keys

    def swapped(seed: int, epoch: int, samples: np.ndarray, num_places: int) -> np.ndarray:
        return drop_keys(seed, epoch, np.concatenate([samples[1::-1], samples[2:]]), num_places)

    batch.drop_keys = swapped
    mutations.load_in_this_process()


def coupled_decay() -> None:
    """Weights decay through the gradient, and so through Adam's moments."""
    step = optimizer.AdamW.apply
    decays: dict[Tensor, float] = {}

    def apply(
        self: optimizer.AdamW, gradients: Sequence[Tensor], learning_rate: float, scaler: torch.amp.GradScaler
    ) -> None:
        for group in self._torch.param_groups:
            decays.update({each: group["weight_decay"] for each in group["params"] if group["weight_decay"]})
            group["weight_decay"] = 0.0
        pairs = zip(self.parameters, gradients, strict=True)
        with torch.no_grad():
            gradients = [gradient + decays.get(each, 0.0) * each for each, gradient in pairs]
        step(self, gradients, learning_rate, scaler)

    optimizer.AdamW.apply = apply  # type: ignore[assignment, method-assign]


def other_rate_of_a_layer() -> None:
    """The last layer's learning rate is a thousandth higher."""
    parameter_groups = bert.Bert.parameter_groups

    def other(self: bert.Bert, arch: Architecture, workload: BertWorkload) -> dict[str, ParameterGroup]:
        last = f"layers.{arch.num_layers - 1}."
        groups = parameter_groups(self, arch, workload)
        return {
            name: group._replace(rate_factor=group.rate_factor * 1.001) if name.startswith(last) else group
            for name, group in groups.items()
        }

    bert.Bert.parameter_groups = other  # type: ignore[method-assign]
