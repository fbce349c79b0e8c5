"""What a framework's wing does for a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from shared.batches import EvalBatches, TrainBatches


class Wing(Protocol):
    """Every rank of a cell has one; TensorFlow's one rank drives all replicas."""

    rank: int
    local_replicas: int  # replicas that this process drives: 1 (PyTorch), all of them (TensorFlow)

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
        """Device-ready batches of steps 0 .. num_steps - 1, prefetched."""

    def resident_batch(self, batches: TrainBatches) -> Any:
        """The first batch, already on the device (input mode `device`)."""

    def train_step(self, batch: Any, learning_rate: float) -> Any:
        """One optimizer step on the global batch; a handle on its first replica's loss, which nobody has waited for."""

    def freeze(self) -> None:
        """Train nothing but the classifier from now on, with a fresh optimizer (paper section 4.1, second stage)."""

    def loss_value(self, loss: Any) -> float:
        """Wait for a loss and read it."""

    def synchronize(self) -> None:
        """Wait until every replica's device has done all it was given, then meet the other ranks."""

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        """Logits (float32, rows of the batch x K) of every evaluation batch, one array a replica of this process, with
        replica 0's batch-norm statistics."""

    def largest(self, value: float) -> float:
        """The largest of all ranks' values, on every rank."""

    def parts(self, batches: TrainBatches) -> dict[str, Callable[[], object]]:
        """What takes each of shared.parts.PARTS once, without waiting for the device."""

    def num_traces(self) -> int:
        """How often the training step was compiled so far; 0 where nothing is."""

    def allocator_peak(self) -> int | None:
        """Peak bytes of the framework's device allocator since it was reset, or None where it has none."""

    def reset_allocator_peak(self) -> None:
        """Count the peak anew, from what is allocated now."""

    def settings(self) -> dict[str, Any]:
        """What this process really uses (versions, threads, affinity, layout, kernels)."""

    def save(self, path: str) -> None:
        """Leave the weights as safetensors; called on rank 0 only."""
