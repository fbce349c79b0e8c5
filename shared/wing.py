"""What a framework's wing does for a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
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

    def requests(self, batches: EvalBatches) -> Callable[[int], Any]:
        """What makes batch k of this process's replicas and leaves it in the host's memory."""

    def infer(self, host: Any) -> Any:
        """A handle on the logits of what `requests` made, which nobody has waited for."""

    def answers(self, logits: Any) -> list[np.ndarray]:
        """Wait for logits and read them (float32, rows x K), one array a replica of this process."""

    def tokenizer(self, vocabulary: str, max_tokens: int, truncation: str) -> Callable[[Sequence[str]], Any]:
        """The framework's own way from texts to ids (n x T) and lengths (n), both ids and lengths the other wing's."""

    def reads_texts(self, batches: EvalBatches) -> bool:
        """Whether what makes its batches begins at texts: a library's tokeniser in the native arm."""

    def exported(self, examples: Sequence[Any], path: str) -> tuple[str, ...]:
        """Leave the network in evaluation mode as an ONNX file.

        Args:
            examples: two of `requests`; axes of which they differ in length may have any.

        Returns:
            the fields of a batch that the file's inputs are, in their order.

        Raises:
            UserError: the framework cannot.
        """

    def largest(self, value: float) -> float:
        """The largest of all ranks' values, on every rank."""

    def total(self, values: Sequence[float]) -> list[float]:
        """The sums of all ranks' values, on every rank."""

    def averaged(self) -> AbstractContextManager[None]:
        """With the average of the weights (`shared.average`) in their place, where there is one."""

    def keep(self) -> None:
        """Keep a copy of the network's tensors as they are now, in place of one that was kept before."""

    def restore(self) -> None:
        """Put what was kept in the network's place; without an average from now on."""

    def settle(self) -> None:
        """Leave the average in the weights' place, where there is one; without an average from now on."""

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
