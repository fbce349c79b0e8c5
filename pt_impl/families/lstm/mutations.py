"""Differences planted in PyTorch's bidirectional LSTM. Mirror: `tf_impl/families/lstm/mutations.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pt_impl import averages, mutations, recurrent
from pt_impl.families.lstm import inputs, network
from shared import sections
from shared.families.lstm import batch
from shared.families.lstm.architecture import Architecture


def backwards_from_the_padding() -> None:
    """The second direction begins at the last place of the padding, not at a text's last word."""

    def whole(x: Tensor, lengths: Tensor) -> Tensor:
        return x.flip(1)

    recurrent.reordered = whole


def gates_swapped() -> None:
    """Input and forget gate in the other order."""
    tensors = recurrent.Direction.tensors

    def swapped(self: recurrent.Direction, *arguments: object) -> list[Tensor]:
        found = []
        for each in tensors(self, *arguments):  # type: ignore[arg-type]
            taken, kept, *others = each.chunk(4)
            found.append(torch.cat([kept, taken, *others]))
        return found

    recurrent.Direction.tensors = swapped  # type: ignore[assignment, method-assign]


def half_the_gradient_of_a_maximum() -> None:
    """The maxima over time get half their gradient."""
    highest = network.highest

    def halved(states: Tensor) -> Tensor:
        found = highest(states)
        return (found + found.detach()) / 2

    network.highest = halved


def forward_matrix_not_dropped() -> None:
    """The forward direction's recurrent matrix is used whole."""

    def whole(self: inputs.Drops, weight: Tensor, arch: Architecture) -> Tensor:
        return weight

    inputs.Drops.recurrent = whole  # type: ignore[method-assign]


def steps_drop_alike() -> None:
    """Every step drops the words and the recurrent weights that the first one did."""
    step_keys = batch.step_keys
    batch.step_keys = lambda seed, step, num_places: step_keys(seed, 0, num_places)
    mutations.load_in_this_process()


def other_start_of_the_average() -> None:
    """The average starts as a copy of the weights; where it should, at zero."""
    begin = averages.Average.__init__

    def other(self: averages.Average, tensors: Sequence[Tensor], settings: sections.Average) -> None:
        start = "zero" if settings.start == "copy" else "copy"
        begin(self, tensors, settings.model_copy(update={"start": start}))

    averages.Average.__init__ = other  # type: ignore[method-assign]
