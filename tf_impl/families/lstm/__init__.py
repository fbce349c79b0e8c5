"""A bidirectional LSTM in TensorFlow. Mirror: `pt_impl/families/lstm/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.lstm.batch import TextBatch
from shared.families.lstm.settings import LstmWorkload
from shared.family import Weights
from shared.protocol import Cell
from tf_impl import family
from tf_impl.families.lstm import native, peer
from tf_impl.families.lstm.inputs import Drops
from tf_impl.families.lstm.network import Lstm
from tf_impl.words import Inputs, network_inputs


class Family(family.Family[LstmWorkload, TextBatch, Inputs, Drops]):
    """The room."""

    settings: Mapping[str, Any] = {"recurrence": "one loop per direction", "dropout": "on the device, from counters"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: LstmWorkload, weights: Weights) -> Lstm:
        return Lstm(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: TextBatch, workload: LstmWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: TextBatch, workload: LstmWorkload) -> Drops:
        return Drops(batch.drop_keys, batch.step_keys)

    def observed(self, inputs: Inputs, drops: Drops, workload: LstmWorkload) -> dict[str, tf.Tensor]:
        return {"mask": inputs.mask} | drops.kept(family_of(workload).architecture(workload))

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
