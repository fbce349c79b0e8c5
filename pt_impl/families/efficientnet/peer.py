"""`transformers`' EfficientNet in a loop as its user would write it.

Mirror: `tf_impl/families/efficientnet/peer.py`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

from pt_impl.family import Train
from shared.families.efficientnet.settings import of_family
from shared.protocol import Cell


def peer_step(cell: Cell) -> Train:
    """`transformers`' EfficientNet on a resident float batch, eager, channels-last, everything else left alone."""
    from transformers import EfficientNetConfig, EfficientNetForImageClassification

    workload = of_family(cell.workload)
    size, batch = workload.input.image_size, workload.train.batch_per_replica
    classes, settings = workload.model.num_classes, workload.optimizer
    b0 = EfficientNetConfig(
        image_size=size, width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, num_labels=classes
    )
    network = EfficientNetForImageClassification(b0).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(classes, (batch,))

    def step(learning_rate: float) -> torch.Tensor:
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images).logits, labels)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step
