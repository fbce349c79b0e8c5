"""Convolutions over words in PyTorch. Mirror: `tf_impl/families/cnn/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pt_impl import family
from pt_impl.dropout import Dropout
from pt_impl.families.cnn import native, peer
from pt_impl.families.cnn.network import Cnn
from pt_impl.words import Inputs, network_inputs
from shared.families import family_of
from shared.families.cnn.settings import CnnWorkload
from shared.family import Weights
from shared.protocol import Cell
from shared.word_batch import WordBatch


class Family(family.Family[CnnWorkload, WordBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {"convolution": "conv2d, features last", "dropout": "on the device, from counters"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: CnnWorkload, weights: Weights) -> Cnn:
        return Cnn(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: WordBatch, workload: CnnWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: WordBatch, workload: CnnWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: CnnWorkload) -> dict[str, Tensor]:
        arch = family_of(workload).architecture(workload)
        rates = arch.drop_rates
        kept = {f"kept.{place}": drops.kept(place, rate, 1, arch.num_features) for place, rate in rates.items()}
        return {"mask": inputs.mask} | kept

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
