"""One training step and one evaluation step. Mirror: `tf_impl/step.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pt_impl.inputs import Batch, network_inputs, unit_factors
from pt_impl.networks import Network
from pt_impl.optimizer import make_optimizer
from shared import loss_scale
from shared.errors import UserError
from shared.sections import EfficientNetModel
from shared.spec import Workload

COMPUTE_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}

# PyTorch 2.13 renamed the flag and warns of the older name.
DDP_FLAGS = inspect.signature(DistributedDataParallel).parameters
SYNC_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in DDP_FLAGS else "broadcast_buffers"


class Step:
    """Trains and evaluates a network on batches of one replica.

    Gradients are those of the mean loss over the global batch: each replica takes the mean over its own n samples and
    DistributedDataParallel averages over replicas, overlapped with the backward pass.
    """

    def __init__(
        self, network: Network, workload: Workload, precision: str, replicas: int, exchange: bool = True
    ) -> None:
        """
        Args:
            exchange: whether gradients are averaged over replicas; without, each goes its own way.
        """
        self.network = network
        self.workload = workload
        self.dtype = COMPUTE_DTYPES[precision]
        self.exchange = exchange and replicas > 1
        self.frozen = False
        model = workload.model
        self.training_norm = not isinstance(model, EfficientNetModel) or model.norm_statistics == "batch"
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
        self.optimizer = make_optimizer(self.network, trained, self.workload)
        # Batch-norm statistics stay each replica's own; evaluation takes replica 0's (see `Wing.evaluate`), so there is
        # no need to broadcast them every step.
        self.forward: nn.Module = (
            DistributedDataParallel(trained, gradient_as_bucket_view=True, **{SYNC_BUFFERS: False})
            if self.exchange
            else trained
        )

    def freeze(self) -> None:
        """Train nothing but the classifier from now on; the rest runs in inference mode."""
        self.frozen = True
        self._prepare(self.network.classifier)

    def inputs(self, batch: Batch, training: bool) -> tuple[Tensor | None, ...]:
        """What the network reads of a batch."""
        return network_inputs(batch, self.workload, self.dtype, training)

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss over this replica's samples, training mode.

        Raises:
            UserError: the network does not compute in the precision that was asked for.
        """
        inputs, keep_unit = self.inputs(batch, training=True), unit_factors(batch, self.workload)
        if self.frozen:
            images, _ = inputs
            with torch.no_grad():
                features = self.network.features(images, None, training=False)
            logits = self.forward(features if keep_unit is None else features * keep_unit.to(features.dtype))
        else:
            logits = self.forward(*inputs, keep_unit, training=self.training_norm)
        self._require_precision(logits)
        logits = logits.to(torch.float64 if self.dtype == torch.float64 else torch.float32)
        if self.workload.model.multi_label:
            return F.binary_cross_entropy_with_logits(logits, batch.labels.to(logits.dtype))
        return F.cross_entropy(logits, batch.labels.long())

    def _require_precision(self, logits: Tensor) -> None:
        if logits.dtype != self.dtype:
            found, asked = (str(dtype).removeprefix("torch.") for dtype in (logits.dtype, self.dtype))
            raise UserError(f"the network computes in {found}, the cell asks for {asked}")

    def loss_and_gradients(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """This replica's loss, and the gradients averaged over replicas, in the order of the optimizer's parameters."""
        loss = self.loss(batch)
        self.scaler.scale(loss).backward()
        return loss.detach(), [parameter.grad for parameter in self.optimizer.parameters]

    def train(self, batch: Batch, rate: float) -> Tensor:
        """One optimizer step; the loss before it (a scalar tensor that nobody has waited for)."""
        loss, gradients = self.loss_and_gradients(batch)
        self.optimizer.apply(gradients, rate, self.scaler)
        return loss

    def backward(self, batch: Batch) -> Tensor:
        """The loss; its gradients are computed and thrown away."""
        loss, _ = self.loss_and_gradients(batch)
        self.network.zero_grad(set_to_none=True)
        return loss

    def updates(self, batch: Batch) -> Callable[[], None]:
        """What makes the optimizer's step with a batch's gradients, at a rate of 0, again and again."""
        _, gradients = self.loss_and_gradients(batch)
        self.network.zero_grad(set_to_none=True)
        return lambda: self.optimizer.apply(gradients, 0.0, self.scaler)

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """Logits (N, K), evaluation mode."""
        return self.network(*self.inputs(batch, training=False)).float()
