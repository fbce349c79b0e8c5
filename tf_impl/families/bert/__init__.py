"""BERT in TensorFlow. Mirror: `pt_impl/families/bert/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.families.bert.batch import TextBatch
from shared.families.bert.settings import BertWorkload
from shared.family import Weights
from shared.protocol import Cell
from tf_impl import family
from tf_impl.families.bert import native, peer
from tf_impl.families.bert.inputs import Drops, Inputs, network_drops, network_inputs
from tf_impl.families.bert.network import Bert


class Family(family.Family[BertWorkload, TextBatch, Inputs, Drops]):
    """The room."""

    settings: Mapping[str, Any] = {"attention": "matrix products and softmax", "gelu": "exact"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: BertWorkload, weights: Weights) -> Bert:
        return Bert(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: TextBatch, workload: BertWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: TextBatch, workload: BertWorkload) -> Drops:
        return network_drops(batch, workload)

    def observed(self, inputs: Inputs) -> dict[str, tf.Tensor]:
        return {"padding": tf.math.is_inf(inputs.bias)}

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def native_loading(
        self, source: TrainBatches | EvalBatches, cell: Cell
    ) -> tuple[family.Load, family.Finish | None]:
        """The library's own tokeniser makes the tokens."""
        texts = native.NativeTexts(source, cell)
        return texts.batch, texts.finish

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
