"""What a model family has to provide. A family is one folder in shared/families/ and one in each wing.

Everything that is asked "of which kind is the network?" is asked here; generic code knows a family by these methods
alone. Legend of shapes: n samples, K classes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from shared.modalities import Modality
from shared.sections import Finetune
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.task import Head

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder
    from shared.spec import Workload

Weights = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]
Drawn = tuple[int, int] | None  # seed and epoch of a batch's random decisions; None: nothing is drawn (evaluation)


class Batch(Protocol):
    """n samples, ready to be moved to a device: a NamedTuple of arrays (or of a framework's tensors), rows first."""

    @property
    def labels(self) -> Any:
        """As `shared.task.Task.labels` makes them."""

    def _replace(self, **fields: Any) -> Any: ...

    def _asdict(self) -> dict[str, Any]: ...

    def __iter__(self) -> Iterator[Any]: ...

    def __getitem__(self, index: Any) -> Any: ...

    def __len__(self) -> int: ...


def weights_of(batch: Batch) -> Any:
    """The factors of the samples' losses (n x 1), in a batch of a task that has some (`shared.task.Task.weights`)."""
    return batch._asdict()["weights"]


W = TypeVar("W", bound="Workload")
A = TypeVar("A")
B = TypeVar("B")


class Description(NamedTuple):
    """A workload in words, for tables, and what a step of it costs."""

    network: str  # "efficientnet b0"
    sample: str  # what one sample is: "384 px", "at most 512 tokens"
    unit: str  # the noun: "page", "text"
    cost: float  # of a sample, relative to others of the same network: pixels, tokens


class ParameterGroup(NamedTuple):
    """How a parameter is trained."""

    rate_factor: float  # its learning rate over the schedule's
    decay: float  # its weight decay


class Family(ABC, Generic[W, A, B]):
    """A kind of network: of workloads W, architectures A and batches B."""

    name: str  # `model.family` of a workload
    workload: type[W]  # its tables
    heads: tuple[Head, ...] = ("document",)  # what it can classify
    sizes: tuple[str, ...] = ("num_classes",)  # keys of [model] that follow from the data, not from the mathematics
    checkpoints: tuple[str, ...] = ()  # the networks whose public checkpoints the rooms' `convert` modules take
    own_classifier: bool = True  # whether public checkpoints come with a classifier; else it starts anew

    # what it reads

    @abstractmethod
    def modalities(self, workload: W) -> tuple[Modality, ...]:
        """What a workload reads of a document."""

    @abstractmethod
    def describe(self, workload: W) -> Description:
        """A workload in words."""

    def fit(self, workload: W, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        """What a store changes of a workload beside classes and task.

        Returns:
            dotted key to the new value and to the line that tells the user.
        """
        return {}

    # structure

    @abstractmethod
    def architecture(self, workload: W) -> A:
        """The network that a workload asks for."""

    @abstractmethod
    def parameter_shapes(self, arch: A) -> Shapes:
        """Canonical name of every tensor (statistics included) to its shape, in forward order."""

    def is_statistic(self, name: str) -> bool:
        """Whether a canonical name is a statistic of the data: saved with the weights, not trained."""
        return False

    def num_trained(self, arch: A) -> int:
        """Number of trained scalars."""
        shapes = self.parameter_shapes(arch)
        return sum(math.prod(shape) for name, shape in shapes.items() if not self.is_statistic(name))

    @abstractmethod
    def initial_weights(self, arch: A, seed: int) -> Weights:
        """Seeded float32 starting weights, the same in both wings without either framework."""

    def with_vectors(self, weights: Weights, vectors: np.ndarray) -> Weights:
        """Starting weights with a store's word vectors (float32, V x D); the same ones where no word is read."""
        return weights

    def parameter_groups(self, arch: A, workload: W) -> dict[str, ParameterGroup]:
        """Canonical name of every trained tensor to how it is trained."""
        group = ParameterGroup(1.0, workload.optimizer.weight_decay)
        return {name: group for name in self.parameter_shapes(arch) if not self.is_statistic(name)}

    # batches

    @abstractmethod
    def batch(self, store: Store, workload: W, samples: np.ndarray, size: int, drawn: Drawn, width: int) -> B:
        """The batch of some samples, filled up to `size` rows.

        Args:
            width: of `widths`.
        """

    def drawn_for_a_step(self, batch: B, seed: int, step: int) -> B:
        """A training batch with what is drawn once for its step, the same on every replica: as it is where all draws
        are the samples' own."""
        return batch

    def widths(self, workload: W) -> tuple[int, ...]:
        """The widths that a batch may have, of which the last holds any sample; (0,): there is nothing to choose."""
        return (0,)

    def width(self, store: Store, workload: W, samples: np.ndarray) -> int:
        """The width that some samples ask for."""
        return self.widths(workload)[-1]

    @abstractmethod
    def smallest(self, batch: B) -> B:
        """A part of a batch that is the smallest that the network trains on: what costs little but its operations."""

    def num_tokens(self, store: Store, samples: np.ndarray) -> int | None:
        """Tokens of some samples, padding not counted; None: it reads none."""
        return None

    # variants of a workload

    @abstractmethod
    def without_drops(self, workload: W) -> W:
        """The workload on a network that drops nothing in training."""

    def with_fresh_statistics(self, workload: W) -> W:
        """The workload on a network whose statistics are replaced by those of the next batch."""
        return workload

    def one_width(self, workload: W) -> W:
        """The workload with batches that are all equally wide: the same one where they are already."""
        return workload

    def second_stage(self, workload: W) -> Finetune | None:
        """The settings of a second stage that trains the classifier alone; None: there is none."""
        return None

    # public checkpoints: nothing to say where there are none

    def is_transformers(self, tensors: Iterable[str]) -> bool:
        """Whether names of tensors are those of `transformers`."""
        return False

    def from_transformers(self, tensors: Mapping[str, np.ndarray], arch: A) -> Weights:
        """A `transformers` state dict (arrays) under canonical names; what it lacks is left out."""
        raise NotImplementedError(f"{self.name}: no names of `transformers` are known")

    def leftovers(self, tensors: Iterable[str], arch: A) -> list[str]:
        """The names of a `transformers` state dict that `from_transformers` neither takes nor may pass over."""
        raise NotImplementedError(f"{self.name}: no names of `transformers` are known")

    def transformers_config(self, arch: A) -> dict[str, tuple[Any, Any]]:
        """What a `config.json` of `transformers` says of a network: setting to our value, and to its default where the
        file may leave it out."""
        return {}

    @abstractmethod
    def classifier_inputs(self, arch: A) -> int:
        """Number of features that the classifier reads."""

    # proofs and timings

    @property
    @abstractmethod
    def ladder(self) -> Ladder:
        """How `bench verify` proves its wings equal."""

    @property
    @abstractmethod
    def contest(self) -> Contest:
        """What its wings are timed against."""


AnyFamily = Family[Any, Any, Any]
