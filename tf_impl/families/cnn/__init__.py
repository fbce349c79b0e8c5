"""Convolutions over words in TensorFlow. Mirror: `pt_impl/families/cnn/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.cnn.settings import CnnWorkload
from shared.family import Weights
from shared.protocol import Cell
from shared.word_batch import WordBatch
from tf_impl import family
from tf_impl.dropout import Dropout
from tf_impl.families.cnn import native, peer
from tf_impl.families.cnn.network import Cnn
from tf_impl.words import Inputs, network_inputs


class Family(family.Family[CnnWorkload, WordBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {"convolution": "conv1d", "dropout": "on the device, from counters"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: CnnWorkload, weights: Weights) -> Cnn:
        return Cnn(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: WordBatch, workload: CnnWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: WordBatch, workload: CnnWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: CnnWorkload) -> dict[str, tf.Tensor]:
        arch = family_of(workload).architecture(workload)
        rates = arch.drop_rates
        kept = {f"kept.{place}": drops.kept(place, rate, 1, arch.num_features) for place, rate in rates.items()}
        return {"mask": inputs.mask} | kept

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
