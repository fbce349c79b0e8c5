"""One training step and one evaluation step. Mirror: `tf_impl/step.py`."""

from __future__ import annotations

import inspect

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pt_impl.augment import network_input
from pt_impl.model import EfficientNet
from pt_impl.optimizer import Sgd
from shared import loss_scale
from shared.spec import Workload

COMPUTE_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}

# PyTorch 2.13 renamed the flag and warns of the older name.
DDP_FLAGS = inspect.signature(DistributedDataParallel).parameters
SYNC_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in DDP_FLAGS else "broadcast_buffers"

Batch = tuple[Tensor, ...]  # the tensors of shared.batches.FIELDS, on the device


class Step:
    """Trains and evaluates a network on batches of one replica.

    Gradients are those of the mean loss over the global batch: each replica takes the mean over its own n samples and
    DistributedDataParallel averages over replicas, overlapped with the backward pass.
    """

    def __init__(self, network: EfficientNet, workload: Workload, precision: str, replicas: int) -> None:
        self.network = network
        self.workload = workload
        self.dtype = COMPUTE_DTYPES[precision]
        self.replicas = replicas
        self.frozen = False
        self.training_norm = workload.model.norm_statistics == "batch"
        self.drops_blocks = workload.model.drop_connect > 0
        self.drops_units = workload.model.dropout > 0
        scaled = precision == "fp16"
        device = next(network.parameters()).device.type
        self.scaler = torch.amp.GradScaler(
            device,
            init_scale=loss_scale.INITIAL_SCALE,
            growth_factor=loss_scale.GROWTH,
            backoff_factor=loss_scale.BACKOFF,
            growth_interval=loss_scale.INTERVAL,
            enabled=scaled,
        )
        self._prepare(network)

    def _prepare(self, trained: nn.Module) -> None:
        self.optimizer = Sgd(trained.parameters(), self.workload.optimizer)
        # Batch-norm statistics stay each replica's own; evaluation takes replica 0's (see `Wing.evaluate`), so there is
        # no need to broadcast them every step.
        self.forward: nn.Module = (
            DistributedDataParallel(trained, gradient_as_bucket_view=True, **{SYNC_BUFFERS: False})
            if self.replicas > 1
            else trained
        )

    def freeze(self) -> None:
        """Train nothing but the classifier from now on; the rest runs in inference mode."""
        self.frozen = True
        self._prepare(self.network.classifier)

    def images(self, batch: Batch, augment: bool) -> Tensor:
        """The network's input (N, 3, H, W) for a batch."""
        settings = self.workload.input
        shear = batch[3] if augment and settings.shear_degrees else None
        return network_input(batch[0], shear, settings.mean, settings.std, self.dtype)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy over this replica's samples, training mode."""
        _, labels, _, _, keep_block, keep_unit = batch
        images = self.images(batch, augment=True)
        keep_block = keep_block if self.drops_blocks else None
        keep_unit = keep_unit if self.drops_units else None
        if self.frozen:
            with torch.no_grad():
                features = self.network.features(images, None, training=False)
            logits = self.forward(features if keep_unit is None else features * keep_unit.to(features.dtype))
        else:
            logits = self.forward(images, keep_block, keep_unit, training=self.training_norm)
        exact = torch.float64 if self.dtype == torch.float64 else torch.float32
        return F.cross_entropy(logits.to(exact), labels)

    def loss_and_gradients(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """The loss and its gradients, averaged over replicas, in the order of the optimizer's parameters."""
        loss = self.loss(batch)
        self.scaler.scale(loss).backward()
        return loss.detach(), [parameter.grad for parameter in self.optimizer.parameters]

    def train(self, batch: Batch, rate: float) -> Tensor:
        """One optimizer step; the loss before it (a scalar tensor that nobody has waited for)."""
        loss, gradients = self.loss_and_gradients(batch)
        self.optimizer.apply(gradients, rate, self.scaler)
        return loss

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> Tensor:
        """(correct, total, summed loss) over the real rows of a batch, float64."""
        labels, weight = batch[1], batch[2]
        logits = self.network(self.images(batch, augment=False)).float()
        correct = (logits.argmax(1) == labels) * weight
        loss = F.cross_entropy(logits, labels, reduction="none") * weight
        return torch.stack([correct.sum(), weight.sum(), loss.sum()]).double()
