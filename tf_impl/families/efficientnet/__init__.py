"""EfficientNet in TensorFlow. Mirror: `pt_impl/families/efficientnet/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.efficientnet.batch import PageBatch
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Weights
from shared.protocol import Cell
from tf_impl import family
from tf_impl.families.efficientnet import native, peer
from tf_impl.families.efficientnet.inputs import Drops, Inputs, network_drops, network_inputs
from tf_impl.families.efficientnet.network import EfficientNet


class Family(family.Family[EfficientNetWorkload, PageBatch, Inputs, Drops]):
    """The room."""

    settings: Mapping[str, Any] = {
        "norm_rule": "per replica, unbiased running variance; evaluated with replica 0's",
        "padding": "same (TensorFlow's rule)",
    }
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: EfficientNetWorkload, weights: Weights) -> EfficientNet:
        return EfficientNet(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: PageBatch, workload: EfficientNetWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, workload, dtype, training)

    def drops(self, batch: PageBatch, workload: EfficientNetWorkload) -> Drops:
        return network_drops(batch, workload)

    def observed(self, inputs: Inputs, drops: Drops, workload: EfficientNetWorkload) -> dict[str, tf.Tensor]:
        return {"images": inputs.images}

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
