"""The library's layers in a loop as their user would write it. Mirror: `tf_impl/families/lstm/peer.py`."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pt_impl import data, replicas
from pt_impl.families.lstm.native import NativeNetwork
from pt_impl.family import Train
from pt_impl.words import network_inputs
from shared.batches import TrainBatches
from shared.families.lstm.batch import TextBatch
from shared.protocol import Cell
from shared.session import open_cell_store


def peer_step(cell: Cell) -> Train:
    """The network on a resident batch, with the library's fused optimizer."""
    network = NativeNetwork(cell).train()
    optimizer = torch.optim.Adam(network.canonical_parameters().values(), lr=0.1, fused=True)
    batch = data.resident(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, 1).batch, replicas.start(cell))
    assert isinstance(batch, TextBatch)
    inputs, labels = network_inputs(batch, torch.float32), batch.labels
    several = labels.ndim == 2

    def step(learning_rate: float) -> torch.Tensor:
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.zero_grad()
        logits = network.classifier(network.dropout(network.features(inputs, None, training=True)))
        if several:
            loss = F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        else:
            loss = F.cross_entropy(logits, labels.long())
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
