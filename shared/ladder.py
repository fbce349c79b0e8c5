"""What a family says of the equality ladder (`bench verify`): sizes, tolerances, published counts, mutations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Settings = Mapping[str, Any]  # dotted keys of a workload


@dataclass(frozen=True)
class Tolerance:
    """Bounds of a relative error by precision: fp64 shows that the mathematics agree, fp32 that the kernels do."""

    fp64: float
    fp32: float

    def of(self, precision: str) -> float:
        """The bound in a precision, "fp64" or "fp32"."""
        return self.fp64 if precision == "fp64" else self.fp32


@dataclass(frozen=True)
class Mutation:
    """A known difference that is planted in one wing, to prove that a rung can fail.

    It is a function of the wing's `mutations` module, the family's or the wing's own, which changes the running
    process; or settings, or a weight, that this wing alone is given.
    """

    name: str
    wing: str  # key of the framework
    owner: str  # the ladder's task whose rung has to break, or "replicas"
    function: str = ""
    changes: tuple[tuple[str, Any], ...] = ()  # settings of the workload
    weight_shift: tuple[str, float] | None = None  # a tensor and what is added to its first entry


# what every family is tried with
COMMON_MUTATIONS = (
    Mutation("the order of another seed", "pt", "input-fp64", "order_of_another_seed"),
    # what the frameworks' samplers do where nobody tells them the epoch; only the last rung goes beyond the first
    Mutation("every epoch in the order of the first", "pt", "predictions", "order_of_the_first_epoch"),
    Mutation("gradients summed over replicas, not averaged", "tf", "replicas", "summed_gradients"),
)


@dataclass(frozen=True)
class Ladder:
    """The rungs at a size that two cores can compute, and what they are judged by."""

    batch: int  # samples of the rungs' global batch; even, for two replicas
    size: tuple[str, int]  # the setting that is a sample's size, and the most that the rungs give it
    unit: str  # of that: "px", "tokens"
    logits: Tolerance
    gradients: Tolerance
    trajectory: Tolerance
    statistics: Tolerance
    easy: Settings  # of rung 7: a task that a random network learns in tens of steps
    easy_steps: int  # more than an epoch of it
    small: Settings = field(default_factory=dict)  # further settings of the rungs' size
    replicas: Settings = field(default_factory=dict)  # of rung 6: with them R x n and 1 x Rn are the same computation
    inputs: Mapping[str, Tolerance] = field(default_factory=dict)  # what of a network's input need not be equal
    # a workload's trained scalars at the published sizes: as counted here and as published; None: not published
    counts: Callable[[Any], tuple[int, int] | None] = lambda workload: None
    mutations: tuple[Mutation, ...] = ()

    @property
    def all_mutations(self) -> tuple[Mutation, ...]:
        """The family's own and the common ones."""
        return (*self.mutations, *COMMON_MUTATIONS)
