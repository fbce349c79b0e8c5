"""A bidirectional LSTM in PyTorch. Mirror: `tf_impl/families/lstm/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pt_impl import family
from pt_impl.families.lstm import native, peer
from pt_impl.families.lstm.inputs import Drops
from pt_impl.families.lstm.network import Lstm
from pt_impl.words import Inputs, network_inputs
from shared.families import family_of
from shared.families.lstm.batch import TextBatch
from shared.families.lstm.settings import LstmWorkload
from shared.family import Weights
from shared.protocol import Cell


class Family(family.Family[LstmWorkload, TextBatch, Inputs, Drops]):
    """The room."""

    settings: Mapping[str, Any] = {"recurrence": "one kernel per direction", "dropout": "on the device, from counters"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: LstmWorkload, weights: Weights) -> Lstm:
        return Lstm(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: TextBatch, workload: LstmWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: TextBatch, workload: LstmWorkload) -> Drops:
        return Drops(batch.drop_keys, batch.step_keys)

    def observed(self, inputs: Inputs, drops: Drops, workload: LstmWorkload) -> dict[str, Tensor]:
        return {"mask": inputs.mask} | drops.kept(family_of(workload).architecture(workload))

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
