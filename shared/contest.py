"""What a family's wings are timed against (`python -m bench.studies.performance`), and the least ratios expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.frameworks import KEYS


@dataclass(frozen=True)
class Contestant:
    """One way to train the workload, in a process of its own."""

    name: str
    framework: str
    kind: str  # worker, or a kind of the wing's `peers` module: peer, bare
    tuned: bool = True  # whether it gets the worker's environment; else only what its user has
    input_mode: str = "device"
    variables: tuple[tuple[str, str], ...] = ()  # set for this contestant alone


@dataclass(frozen=True)
class Ratio:
    """A speed over another one, and the least that it should be."""

    over: str
    under: str
    target: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.over} / {self.under}"


@dataclass(frozen=True)
class Contest:
    """Who takes part and which ratios are held to a target."""

    workload: str  # that is timed
    contestants: tuple[Contestant, ...]
    ratios: tuple[Ratio, ...]
    batch: int  # samples per step, unless the command says otherwise
    # for `python -m bench.studies.gate.shown`: the line of both networks that begins the loop over layers, and what
    # copies the features there and back, so that the result is the same to the bit, by framework
    loop: str = ""
    copies: Mapping[str, str] = field(default_factory=dict)


def contestants_of(framework: str) -> tuple[Contestant, ...]:
    """The contestants that every wing has."""
    return (
        Contestant(f"{framework}-peer", framework, "peer", tuned=False),
        Contestant(f"{framework}-peer-tuned", framework, "peer"),
        Contestant(f"{framework}-bare", framework, "bare"),
        Contestant(f"{framework}-wing", framework, "worker"),
        Contestant(f"{framework}-wing-disk", framework, "worker", input_mode="disk"),
    )


# the whole pipeline against one resident batch, and the worker against its own step in a bare loop: of every family
PIPELINE_RATIOS = (
    *(Ratio(f"{key}-wing-disk", f"{key}-wing", 0.97) for key in KEYS),
    *(Ratio(f"{key}-wing", f"{key}-bare", 0.99) for key in KEYS),
)
