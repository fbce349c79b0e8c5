"""LayoutLMv2 in PyTorch. Mirror: `tf_impl/families/layoutlmv2/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pt_impl import family
from pt_impl.dropout import Dropout
from pt_impl.families.layoutlmv2 import native, peer
from pt_impl.families.layoutlmv2.inputs import Inputs, network_inputs
from pt_impl.families.layoutlmv2.network import LayoutLMv2
from shared.families import family_of
from shared.families.layoutlmv2.architecture import shape_at
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Weights
from shared.protocol import Cell


class Family(family.Family[LayoutWorkload, LayoutBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {
        "attention": "scaled_dot_product_attention, biased",
        "gelu": "exact",
        "dropout": "on the device, from counters",
        "backbone": "frozen norms folded into the convolutions",
    }
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: LayoutWorkload, weights: Weights) -> LayoutLMv2:
        return LayoutLMv2(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: LayoutBatch, workload: LayoutWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        return network_inputs(batch, workload, dtype)

    def drops(self, batch: LayoutBatch, workload: LayoutWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: LayoutWorkload) -> dict[str, Tensor]:
        arch = family_of(workload).architecture(workload)
        num_text = inputs.tokens.shape[1]
        found = {"padding": torch.isneginf(inputs.bias)}
        if inputs.images is not None:
            found["images"] = inputs.images.permute(0, 2, 3, 1)
        for place, rate in arch.drop_rates.items():
            found[f"kept.{place}"] = drops.kept(place, rate, *shape_at(arch, place, num_text))
        return found

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
