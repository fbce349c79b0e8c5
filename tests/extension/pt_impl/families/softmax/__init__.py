"""Softmax regression in PyTorch. Mirror: `tf_impl/families/softmax/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from shared.families.softmax import PixelBatch, SoftmaxWorkload
from torch import Tensor, nn

from pt_impl import data, family, replicas
from pt_impl.layers import Linear
from shared.batches import TrainBatches
from shared.family import Weights
from shared.protocol import Cell
from shared.session import open_cell_store


class Inputs(NamedTuple):
    images: Tensor  # N x H x W


class Network(nn.Module):
    """A linear classifier; the library's own layer in the native arm."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: None, training: bool) -> Tensor:
        return inputs.images.flatten(1)

    def classify(self, features: Tensor, drops: None) -> Tensor:
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: None = None, training: bool = False) -> Tensor:
        return self.classify(self.features(inputs, drops, training), drops)


class Family(family.Family[SoftmaxWorkload, PixelBatch, Inputs, None]):
    """The room."""

    settings: Mapping[str, Any] = {}
    native_settings: Mapping[str, Any] = {}

    def network(self, workload: SoftmaxWorkload, weights: Weights) -> Network:
        return Network(Linear(weights, "classifier"))

    def inputs(self, batch: PixelBatch, workload: SoftmaxWorkload, dtype: torch.dtype, training: bool) -> Inputs:
        exact = batch.pixels.to(torch.promote_types(dtype, torch.float32))
        return Inputs(((exact / 255 - workload.input.mean[0]) / workload.input.std[0]).to(dtype))

    def drops(self, batch: PixelBatch, workload: SoftmaxWorkload) -> None:
        return None

    def observed(self, inputs: Inputs, drops: None, workload: SoftmaxWorkload) -> dict[str, Tensor]:
        return {"images": inputs.images}

    def native_network(self, cell: Cell) -> Network:
        torch.manual_seed(cell.seed)
        model = cell.workload
        assert isinstance(model, SoftmaxWorkload)
        return Network(nn.Linear(model.input.image_size**2, model.model.num_classes))

    def peer_step(self, cell: Cell) -> family.Train:
        group, network = replicas.start(cell), self.native_network(cell)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        workload = cell.workload
        assert isinstance(workload, SoftmaxWorkload)
        batch = data.resident(TrainBatches(open_cell_store(cell), workload, cell.seed, 1).batch, group)
        inputs = self.inputs(batch, workload, torch.float32, training=True)

        def step(learning_rate: float) -> Tensor:
            optimizer.param_groups[0]["lr"] = learning_rate
            optimizer.zero_grad()
            loss = F.cross_entropy(network(inputs), batch.labels.long())
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step


FAMILY = Family()
