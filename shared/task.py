"""What a task has to provide: what a network is trained for, whatever the network. A task is one file in shared/tasks/.

A wing needs nothing of a task but its loss, one function of `pt_impl.losses` and `tf_impl.losses`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from shared.modalities import Parts
from shared.store import Store

if TYPE_CHECKING:
    from shared.ladder import Mutation
    from shared.spec import Workload

Counts = dict[str, float]  # sums over evaluated samples; those of parts of a split add up
# what is classified: the whole sample, each token, each token as the first and as the last of an answer, or what was
# hidden (`shared.pretraining`)
Head = Literal["document", "tokens", "span", "hidden"]


@dataclass(frozen=True)
class Metric:
    """A score as tables and figures show it."""

    title: str  # "accuracy"
    larger_is_better: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)  # what it can be, both included; a share by default


class Tally(Protocol):
    """Counts the samples of a split, a batch at a time."""

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        """Count some samples, which nobody has counted: their logits (n x ...) and their rows in the store (n)."""

    def counts(self) -> Counts:
        """The sums over all of them: `samples`, `loss` (summed) and what `scores` needs."""


class Decisions(NamedTuple):
    """What a network says and what is right, of each thing that it decides: a sample, a tag, an answer."""

    predicted: np.ndarray  # int64, n or n x K
    labels: np.ndarray


class Task(ABC):
    """A task. Arrays: n samples, T tokens, K outputs."""

    name: str  # `task` of a workload
    head: Head  # what a family must be able to classify
    parts: Parts = "documents"  # what a sample is
    loss: str  # the function of pt_impl.losses and tf_impl.losses
    weighted: bool = False  # whether the loss takes a factor of each sample
    distils: str | None = None  # the task whose labels it has, with a teacher's logits beside them (a row file)
    mutations: tuple[Mutation, ...] = ()  # what `bench verify --mutations` tries beside what the family has
    several: bool = False  # whether a sample may have several labels
    single: bool = False  # whether every document has one label
    labelled: str  # "the documents have ...", for a message
    headline: str  # the score that tables and figures show
    metrics: Mapping[str, Metric]  # every score
    hashed: Mapping[str, Any]  # how it stands among the settings that a workload's hashes are of

    @abstractmethod
    def has_labels(self, store: Store) -> bool:
        """Whether a store's labels are of this task's kind."""

    def outputs(self, store: Store) -> int:
        """K of a network that is trained on a store."""
        return len(store.classes)

    def synthetic_outputs(self, num_classes: int) -> int:
        """K of a network that is trained on synthetic documents of so many classes."""
        return num_classes

    @abstractmethod
    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """The labels of some samples as the loss takes them, filled up to `size` rows with what is not trained on, or
        with zeros."""

    def weights(self, store: Store, workload: Workload, size: int, together: np.ndarray) -> np.ndarray:
        """The factors of each sample's loss (float32, size x 1; size x 0 where there are none).

        Args:
            together: the samples of all replicas.
        """
        return np.zeros((size, 0), np.float32)

    def loss_settings(self, workload: Workload) -> dict[str, Any]:
        """What the loss is given as keywords."""
        return {}

    @abstractmethod
    def tally(self, store: Store, workload: Workload) -> Tally:
        """What counts the samples of a split."""

    @abstractmethod
    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        """Each of `metrics` from the sums over a whole split; none where there are no samples."""

    @abstractmethod
    def decisions(self, store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray) -> Decisions:
        """What the network says of some samples: what two networks agree on or not."""

    @abstractmethod
    def right(self, decisions: Decisions) -> np.ndarray:
        """Whether each decision is right (bool)."""

    @abstractmethod
    def chance(self, num_classes: int) -> float:
        """The share of right decisions that guessing gives."""


class DocumentTask(Task):
    """A task whose samples are documents, each judged by itself; labels are those of the store."""

    head: Head = "document"

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
    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Class probabilities (float32, n x K)."""

    @abstractmethod
    def predicted(self, logits: np.ndarray) -> np.ndarray:
        """What the network says of each sample (int64, n or n x K)."""

    def tally(self, store: Store, workload: Workload) -> Tally:
        return DocumentTally(self, store)

    def decisions(self, store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray) -> Decisions:
        return Decisions(self.predicted(logits), store.labels[samples])


class DocumentTally:
    """Adds up what a task counts of documents."""

    def __init__(self, task: DocumentTask, store: Store) -> None:
        self.task, self.store, self.sums = task, store, Counts()

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        self.sums = added(self.sums, self.task.count(logits, self.store.labels[samples]))

    def counts(self) -> Counts:
        return self.sums


def added(counts: Mapping[str, float], more: Mapping[str, float]) -> Counts:
    """The sums over two parts of a split.

    >>> added({"samples": 2}, {"samples": 1, "correct": 1})
    {'samples': 3, 'correct': 1}
    """
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}


def micro_f1(hits: float, predicted: float, relevant: float) -> float:
    """Micro-averaged F1 over all that may be given: 2 * hits / (predicted + relevant); 0 where there are none.

    >>> micro_f1(3, 4, 6)
    0.6
    """
    return 2.0 * hits / (predicted + relevant) if predicted + relevant else 0.0
