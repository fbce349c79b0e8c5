"""LayoutLMv2 in TensorFlow. Mirror: `pt_impl/families/layoutlmv2/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.layoutlmv2.architecture import shape_at
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Weights
from shared.protocol import Cell
from tf_impl import family
from tf_impl.dropout import Dropout
from tf_impl.families.layoutlmv2 import native, peer
from tf_impl.families.layoutlmv2.inputs import Inputs, network_inputs
from tf_impl.families.layoutlmv2.network import LayoutLMv2


class Family(family.Family[LayoutWorkload, LayoutBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {
        "attention": "matrix products and softmax, biased",
        "gelu": "exact",
        "dropout": "on the device, from counters",
        "backbone": "frozen norms folded into the convolutions",
    }
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: LayoutWorkload, weights: Weights) -> LayoutLMv2:
        return LayoutLMv2(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: LayoutBatch, workload: LayoutWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, workload, dtype)

    def drops(self, batch: LayoutBatch, workload: LayoutWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: LayoutWorkload) -> dict[str, tf.Tensor]:
        arch = family_of(workload).architecture(workload)
        num_text = inputs.tokens.shape[1]
        found = {"padding": tf.math.is_inf(inputs.bias)}
        if inputs.images is not None:
            found["images"] = inputs.images
        for place, rate in arch.drop_rates.items():
            found[f"kept.{place}"] = drops.kept(place, rate, *shape_at(arch, place, num_text))
        return found

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
