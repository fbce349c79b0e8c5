"""`transformers`' LayoutLMv2 in a loop as its user would write it. Mirror: `tf_impl/families/layoutlmv2/peer.py`."""

from __future__ import annotations

import torch

from pt_impl import data, replicas
from pt_impl.families.layoutlmv2.native import NativeNetwork
from pt_impl.family import Train
from shared.batches import TrainBatches
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.protocol import Cell
from shared.session import open_cell_store
from shared.store import NO_LABEL


def peer_step(cell: Cell) -> Train:
    """`transformers`' LayoutLMv2 on a resident batch, with its optimizer; no attention dropout, as ours."""
    network = NativeNetwork(cell).whole.train()
    for layer in network.layoutlmv2.encoder.layer:
        layer.attention.self.dropout.p = 0.0
    settings = cell.workload.optimizer
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1, weight_decay=settings.weight_decay, fused=True)
    batch = data.resident(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, 1).batch, replicas.start(cell))
    assert isinstance(batch, LayoutBatch)
    tokens, boxes, labels = batch.tokens.long(), batch.boxes.long(), batch.labels.long()
    mask = (torch.arange(tokens.shape[1]) < batch.lengths[:, None]).long()
    segments = None
    if batch.question_lengths.shape[1]:
        segments = (torch.arange(tokens.shape[1]) >= batch.question_lengths).long()
        # the library passes over the place behind the last token, and takes a negative one for the first
        labels = torch.where(labels == NO_LABEL, tokens.shape[1], labels)
    images = batch.pixels[:, None].expand(-1, 3, -1, -1).float()

    def step(learning_rate: float) -> torch.Tensor:
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.zero_grad()
        given = {"input_ids": tokens, "bbox": boxes, "image": images, "attention_mask": mask}
        if segments is not None:
            loss = network(
                **given, token_type_ids=segments, start_positions=labels[:, 0], end_positions=labels[:, 1]
            ).loss
        else:
            loss = network(**given, labels=labels).loss
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
