"""`transformers`' BERT in a loop as its user would write it. Mirror: `tf_impl/families/bert/peer.py`."""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F

from pt_impl import data, replicas
from pt_impl.families.bert.native import NativeNetwork
from pt_impl.family import Train
from shared.batches import TrainBatches
from shared.families.bert.batch import TextBatch
from shared.protocol import Cell
from shared.session import open_cell_store

ATTENTION = "TWINBENCH_PEER_ATTENTION"  # environment variable: the attention kernel


def peer_step(cell: Cell) -> Train:
    """`transformers`' BERT on a resident batch, with its fused attention and optimizer; no attention dropout, as ours.

    Scaled-dot-product attention is the best of its kernels here: eager attention is a contestant of its own.
    """
    network = NativeNetwork(cell).whole.train()
    network.set_attn_implementation(os.environ.get(ATTENTION, "sdpa"))
    for layer in network.bert.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    settings, classes = cell.workload.optimizer, cell.workload.model.num_classes
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=settings.weight_decay, fused=True)
    batch = data.resident(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, 1).batch, replicas.start(cell))
    assert isinstance(batch, TextBatch)
    tokens, labels = batch.tokens.long(), batch.labels.long()
    mask = (torch.arange(tokens.shape[1]) < batch.lengths[:, None]).long()

    def step(learning_rate: float) -> torch.Tensor:
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.zero_grad()
        logits = network(input_ids=tokens, attention_mask=mask).logits
        loss = F.cross_entropy(logits.view(-1, classes), labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
