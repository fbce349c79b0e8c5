"""Hierarchical attention in TensorFlow. Mirror: `pt_impl/families/han/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.han.batch import SentenceBatch
from shared.families.han.settings import HanWorkload
from shared.family import Weights
from shared.protocol import Cell
from tf_impl import family
from tf_impl.dropout import Dropout
from tf_impl.families.han import native, peer
from tf_impl.families.han.inputs import Inputs, network_inputs
from tf_impl.families.han.network import Han


class Family(family.Family[HanWorkload, SentenceBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {"dropout": "on the device, from counters"}
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: HanWorkload, weights: Weights) -> Han:
        return Han(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: SentenceBatch, workload: HanWorkload, dtype: tf.DType, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: SentenceBatch, workload: HanWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: HanWorkload) -> dict[str, tf.Tensor]:
        arch = family_of(workload).architecture(workload)
        rates = arch.drop_rates
        kept = {f"kept.{place}": drops.kept(place, rate, 1, arch.num_features) for place, rate in rates.items()}
        return {"words": inputs.tokens, "mask": inputs.mask, "word_mask": inputs.word_mask} | kept

    def native_network(self, cell: Cell) -> native.NativeNetwork:
        return native.NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        return peer.peer_step(cell)


FAMILY = Family()
