"""What a family's room in this wing has to provide, and the rooms by name. Mirror: `tf_impl/family.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from shared import batches, families
from shared.family import Weights
from shared.protocol import Cell
from shared.spec import Workload

Load = Callable[[int, int], Any]  # makes batch k of replica r
Finish = Callable[[Any], Any]  # what is still to be done to it where batches are assembled
Train = Callable[[float], object]  # one training step at a learning rate


W = TypeVar("W", bound=Workload)
B = TypeVar("B")
I = TypeVar("I")  # noqa: E741
D = TypeVar("D")


class Network(Protocol):
    """A network, matched or native. Legend: N samples, F features, K classes.

    It is called with a batch's inputs, what is dropped of it (None: nothing is) and whether it is trained, and
    returns logits (N, K) in the inputs' precision.
    """

    classifier: nn.Module

    def features(self, inputs: Any, drops: Any, training: bool) -> Tensor:
        """What the classifier reads (N, F)."""

    def classify(self, features: Tensor, drops: Any) -> Tensor:
        """Features (N, F) to logits (N, K)."""

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """What is trained, by canonical name; of another network than the matched one by its library's."""

    def __call__(self, inputs: Any, drops: Any, training: bool) -> Tensor: ...


class Family(ABC, Generic[W, B, I, D]):
    """A family's room: for its workloads W and batches B, with networks that read inputs I and drops D."""

    settings: Mapping[str, Any]  # what there is to say of its matched network in a record
    native_settings: Mapping[str, Any]  # and of the library's

    @abstractmethod
    def network(self, workload: W, weights: Weights) -> Any:
        """The matched network."""

    @abstractmethod
    def inputs(self, batch: B, workload: W, dtype: torch.dtype, training: bool) -> I:
        """What the network reads of a batch, in a precision."""

    @abstractmethod
    def drops(self, batch: B, workload: W) -> D:
        """What is dropped of a training batch."""

    @abstractmethod
    def observed(self, inputs: I, drops: D, workload: W) -> dict[str, Tensor]:
        """What the ladder compares of a network's input, channels last, and of what is dropped."""

    @abstractmethod
    def native_network(self, cell: Cell) -> Any:
        """The library's network, as shipped."""

    def native_loading(
        self, source: batches.TrainBatches | batches.EvalBatches, cell: Cell
    ) -> tuple[Load, Finish | None]:
        """What makes a batch for the library's network, and what finishes it."""
        return source.batch, None

    @abstractmethod
    def peer_step(self, cell: Cell) -> Train:
        """The library's network in a loop as its user would write it."""


AnyFamily = Family[Any, Any, Any, Any]


@cache
def family(name: str) -> AnyFamily:
    """The room of a family.

    Raises:
        ValueError: no such family.
    """
    families.family(name)
    found: AnyFamily = import_module(f"pt_impl.families.{name}").FAMILY
    return found
