"""EfficientNet in PyTorch. Mirror: `tf_impl/families/efficientnet/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pt_impl import family
from pt_impl.families.efficientnet import native, peer
from pt_impl.families.efficientnet.inputs import Drops, Inputs, network_drops, network_inputs
from pt_impl.families.efficientnet.network import EfficientNet
from shared.families import family_of
from shared.families.efficientnet.batch import PageBatch
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Weights
from shared.protocol import Cell


class Family(family.Family[EfficientNetWorkload, PageBatch, Inputs, Drops]):
    """The room."""

    settings: Mapping[str, Any] = {
        "norm_rule": "per replica, unbiased running variance; evaluated with replica 0's",
        "padding": "same (TensorFlow's rule)",
    }
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: EfficientNetWorkload, weights: Weights) -> EfficientNet:
        return EfficientNet(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: PageBatch, workload: EfficientNetWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        return network_inputs(batch, workload, dtype, training)

    def drops(self, batch: PageBatch, workload: EfficientNetWorkload) -> Drops:
        return network_drops(batch, workload)

    def observed(self, inputs: Inputs, drops: Drops, workload: EfficientNetWorkload) -> dict[str, Tensor]:
        return {"images": inputs.images.permute(0, 2, 3, 1)}

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
