"""BERT in PyTorch. Mirror: `tf_impl/families/bert/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pt_impl import family
from pt_impl.dropout import Dropout
from pt_impl.families.bert import native, peer
from pt_impl.families.bert.inputs import Inputs, network_inputs
from pt_impl.families.bert.network import Bert
from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.families.bert.batch import TextBatch
from shared.families.bert.settings import BertWorkload
from shared.family import Weights
from shared.protocol import Cell


class Family(family.Family[BertWorkload, TextBatch, Inputs, Dropout]):
    """The room."""

    settings: Mapping[str, Any] = {
        "attention": "scaled_dot_product_attention",
        "gelu": "exact",
        "dropout": "on the device, from counters",
    }
    native_settings: Mapping[str, Any] = native.SETTINGS

    def network(self, workload: BertWorkload, weights: Weights) -> Bert:
        return Bert(family_of(workload).architecture(workload), weights)

    def inputs(self, batch: TextBatch, workload: BertWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        return network_inputs(batch, dtype)

    def drops(self, batch: TextBatch, workload: BertWorkload) -> Dropout:
        return Dropout(batch.drop_keys)

    def observed(self, inputs: Inputs, drops: Dropout, workload: BertWorkload) -> dict[str, Tensor]:
        arch, num_tokens = family_of(workload).architecture(workload), inputs.tokens.shape[1]
        kept = {
            f"kept.{place}": drops.kept(place, rate, num_tokens, arch.hidden_size)
            for place, rate in arch.drop_rates.items()
        }
        return {"padding": torch.isneginf(inputs.bias)} | kept

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
