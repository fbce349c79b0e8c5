"""What a task has to provide: what a network is trained for, whatever the network. A task is one file in shared/tasks/.

A wing needs nothing of a task but its loss, one function of `pt_impl.losses` and `tf_impl.losses`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from shared.store import Store

Counts = dict[str, float]  # sums over evaluated samples; those of parts of a split add up
Head = Literal["document"]  # what is classified: the whole sample


@dataclass(frozen=True)
class Metric:
    """A score as tables and figures show it."""

    title: str  # "accuracy"
    larger_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)  # what it can be, both included; a share by default


class Task(ABC):
    """A task. Arrays: n samples, K classes."""

    name: str  # `task` of a workload
    head: Head  # what a family must be able to classify
    loss: str  # the function of pt_impl.losses and tf_impl.losses
    several: bool  # whether a sample may have several labels
    headline: str  # the score that tables and figures show
    metrics: Mapping[str, Metric]  # every score
    hashed: Mapping[str, Any]  # how it stands among the settings that a workload's hashes are of

    @abstractmethod
    def has_labels(self, store: Store) -> bool:
        """Whether a store's labels are of this task's kind."""

    @abstractmethod
    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """The labels of some samples as the loss takes them, filled up with zeros to `size` rows."""

    @abstractmethod
    def count(self, logits: np.ndarray, labels: np.ndarray) -> Counts:
        """The sums over some samples.

        Args:
            logits: n x K.
            labels: of the store, one entry per sample.

        Returns:
            `samples`, `loss` (summed over samples) and what `scores` needs.
        """

    @abstractmethod
    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Each of `metrics` from the sums over a whole split; none where there are no samples."""

    @abstractmethod
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Class probabilities (float32, n x K)."""

    @abstractmethod
    def predicted(self, logits: np.ndarray) -> np.ndarray:
        """What the network says of each sample (int64, n or n x K): what two networks agree on or not."""

    @abstractmethod
    def right(self, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Whether each sample's prediction is right (bool, n)."""

    @abstractmethod
    def chance(self, num_classes: int) -> float:
        """The share of right samples that guessing gives."""


def added(counts: Mapping[str, float], more: Mapping[str, float]) -> Counts:
    """The sums over two parts of a split.

    >>> added({"samples": 2}, {"samples": 1, "correct": 1})
    {'samples': 3, 'correct': 1}
    """
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}
