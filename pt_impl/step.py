"""One training step and one evaluation step. Mirror: `tf_impl/step.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from pt_impl import losses
from pt_impl.averages import Average
from pt_impl.family import Network, family
from pt_impl.optimizer import make_optimizer
from shared import loss_scale
from shared.errors import UserError
from shared.families import family_of
from shared.family import Batch, ParameterGroup, weights_of
from shared.spec import Workload
from shared.tasks import task_of

COMPUTE_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp64": torch.float64}

# PyTorch 2.13 renamed the flag and warns of the older name.
DDP_FLAGS = inspect.signature(DistributedDataParallel).parameters
SYNC_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in DDP_FLAGS else "broadcast_buffers"


def heads_of(logits: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The logits of each of a network's heads."""
    return logits if isinstance(logits, tuple) else (logits,)


class _Head(nn.Module):
    """The classifier of a network as a module of its own: what the second stage trains."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.classifier = network.classifier
        self._classify = network.classify

    def forward(self, features: Tensor, drops: Any) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        return self._classify(features, drops)


class Step:
    """Trains and evaluates a network on batches of one replica.

    Gradients are those of the mean loss over the global batch: each replica takes the mean over its own n samples and
    DistributedDataParallel averages over replicas, overlapped with the backward pass.
    """

    def __init__(self, network: Any, workload: Workload, precision: str, replicas: int, exchange: bool = True) -> None:
        """
        Args:
            network: a Network that is a module.
            exchange: whether gradients are averaged over replicas; without, each goes its own way.
        """
        self.network = network
        self.workload = workload
        self.family = family(workload.model.family)
        task = task_of(workload)
        self.task_loss, self.weighted = getattr(losses, task.loss), task.weighted
        self.loss_settings = task.loss_settings(workload)
        self.dtype = COMPUTE_DTYPES[precision]
        self.exchange = exchange and replicas > 1
        self.frozen = False
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
        self._prepare(network, network.canonical_parameters())
        self.average: Average | None = None
        if (settings := workload.average) is not None:
            every = settings.start == "copy"
            averaged = self._every() if every else list(network.canonical_parameters().values())
            self.average = Average(averaged, settings)

    def _prepare(self, trained: nn.Module, parameters: dict[str, nn.Parameter]) -> None:
        of_family, settings = family_of(self.workload), self.workload.optimizer
        groups = of_family.parameter_groups(of_family.architecture(self.workload), self.workload)
        # a library's network may have tensors of its own: trained as one without groups is
        own = {name: ParameterGroup(1.0, settings.weight_decay) for name in parameters}
        self.optimizer = make_optimizer(parameters, own | groups, settings)
        # Batch-norm statistics stay each replica's own; evaluation takes replica 0's (see `Wing.predict`), so there is
        # no need to broadcast them every step.
        self.forward: nn.Module = (
            DistributedDataParallel(trained, gradient_as_bucket_view=True, **{SYNC_BUFFERS: False})
            if self.exchange
            else trained
        )

    def freeze(self) -> None:
        """Train nothing but the classifier from now on; the rest runs in inference mode."""
        self.frozen, self.average = True, None
        head = _Head(self.network)
        self._prepare(head, dict(head.named_parameters()))

    def inputs(self, batch: Batch, training: bool) -> Any:
        """What the network reads of a batch."""
        return self.family.inputs(batch, self.workload, self.dtype, training)

    def observed(self, batch: Batch) -> dict[str, Tensor]:
        """What the ladder compares of a training batch."""
        drops = self.family.drops(batch, self.workload)
        return self.family.observed(self.inputs(batch, training=True), drops, self.workload)

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss over this replica's samples, training mode.

        Raises:
            UserError: the network does not compute in the precision that was asked for.
        """
        inputs, drops = self.inputs(batch, training=True), self.family.drops(batch, self.workload)
        if self.frozen:
            with torch.no_grad():
                features = self.network.features(inputs, None, training=False)
            logits = self.forward(features, drops)
        else:
            logits = self.forward(inputs, drops, training=True)
        exact = torch.float64 if self.dtype == torch.float64 else torch.float32
        heads = [self._of_precision(head).to(exact) for head in heads_of(logits)]
        weights = (weights_of(batch),) if self.weighted else ()
        loss: Tensor = self.task_loss(*heads, batch.labels, *weights, **self.loss_settings)
        return loss

    def _of_precision(self, logits: Tensor) -> Tensor:
        if logits.dtype == self.dtype:
            return logits
        found, asked = (str(dtype).removeprefix("torch.") for dtype in (logits.dtype, self.dtype))
        raise UserError(f"the network computes in {found}, the cell asks for {asked}")

    def loss_and_gradients(self, batch: Batch) -> tuple[Tensor, list[Tensor]]:
        """This replica's loss, and the gradients averaged over replicas, in the order of the optimizer's parameters."""
        loss = self.loss(batch)
        self.scaler.scale(loss).backward()
        return loss.detach(), [parameter.grad for parameter in self.optimizer.parameters]

    def train(self, batch: Batch, learning_rate: float) -> Tensor:
        """One optimizer step; the loss before it (a scalar tensor that nobody has waited for)."""
        loss, gradients = self.loss_and_gradients(batch)
        self._apply(gradients, learning_rate)
        return loss

    def _apply(self, gradients: list[Tensor], learning_rate: float) -> None:
        """The optimizer's step with scaled gradients."""
        self.optimizer.apply(gradients, learning_rate, self.scaler)
        if self.average is not None:
            self.average.update()

    def backward(self, batch: Batch) -> Tensor:
        """The loss; its gradients are computed and thrown away."""
        loss, _ = self.loss_and_gradients(batch)
        self.network.zero_grad(set_to_none=True)
        return loss

    def updates(self, batch: Batch) -> Callable[[], None]:
        """What makes the optimizer's step with a batch's gradients, at a learning rate of 0, again and again."""
        _, gradients = self.loss_and_gradients(batch)
        self.network.zero_grad(set_to_none=True)
        return lambda: self._apply(gradients, 0.0)

    def _every(self) -> list[Tensor]:
        """Every tensor of the network, of what is not trained too."""
        return [*self.network.parameters(), *self.network.buffers()]

    @torch.no_grad()
    def tensors(self) -> list[Tensor]:
        """A copy of every tensor of the network."""
        return [tensor.clone() for tensor in self._every()]

    @torch.no_grad()
    def put(self, tensors: list[Tensor]) -> None:
        """Put what `tensors` returned in the network's place."""
        for tensor, value in zip(self._every(), tensors, strict=True):
            tensor.copy_(value)

    def averaged(self) -> AbstractContextManager[None]:
        """With the average of the weights (`shared.average`) in their place, where there is one."""
        return nullcontext() if self.average is None else self.average.in_place()

    def settle(self) -> None:
        """Leave the average in the weights' place, where there is one; without an average from now on."""
        if self.average is not None:
            self.average.take_over()
        self.average = None

    @torch.no_grad()
    def predict(self, batch: Batch) -> Tensor:
        """Logits (N, ..., K), evaluation mode."""
        return self.logits(self.inputs(batch, training=False)).float()

    def logits(self, inputs: Any) -> Tensor:
        """Logits in evaluation mode; those of several heads flat, one behind the other (N, K)."""
        heads = heads_of(self.network(inputs, None, training=False))
        return heads[0] if len(heads) == 1 else torch.cat([head.flatten(1) for head in heads], 1)
