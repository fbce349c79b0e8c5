"""What a gate found, with every pair of it: the models of its JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

GATE_SCHEMA = 2  # 1 had the median over turns as a pair's value

Outcome = Literal["regression", "intermittent", "pass", "undecided", "error"]

FAILURES = frozenset({"regression", "intermittent"})


class Frozen(BaseModel):
    """Written once, never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PairResult(Frozen):
    """One pair."""

    log_ratio: float  # of throughput over the whole window, head over base
    typical_log_ratio: float | None = None  # of the typical step: the median over turns; None: no turns were taken
    base_throughput: float  # samples/s
    head_throughput: float
    turns: int  # of either side; 0: one ran after the other
    disturbances: list[str] = []  # that the sides' records know of: "head: other processes kept 0.8 cores busy"
    head_first: bool
    seconds: float  # that the pair took


class BenchmarkResult(Frozen):
    """What came of one benchmark; ratios are of throughput, head over base."""

    name: str
    outcome: Outcome
    reason: str | None = None  # of an error, or what else there is to know
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None  # of either bound by itself
    typical: float | None = None  # the ratio of typical steps, which stalls do not move
    gap_low: float | None = None  # bounds of ratio over typical: below 1 the head loses to stalls
    gap_high: float | None = None
    smallest: float | None = None  # the slow-down that gates of this scatter and size show with 80 %; a share
    base_throughput: float | None = None  # samples/s, the median over the pairs
    head_throughput: float | None = None
    batch: int | None = None  # of an inference: the throughputs are this over its median latency
    apart: bool = False  # measured one after the other, not in turns
    spec_changed: bool = False
    pairs: list[PairResult] = []
    head_values: list[float] = []  # against a history: samples/s of every process
    seconds: float = 0.0


class SideResult(Frozen):
    """One side."""

    name: str  # as typed
    label: str
    commit: str
    dirty: bool
    python: str | None  # of the workers, where one was named
    versions: dict[str, str] = {}  # as its first record has them


class GateResult(Frozen):
    """A gate."""

    schema_version: int = GATE_SCHEMA
    base: SideResult | None  # None: against a history
    head: SideResult
    baseline: str | None = None  # the history
    threshold: float
    guarantee: str
    machine: str  # fingerprint
    device_name: str
    started: str  # UTC, ISO 8601
    seconds: float
    benchmarks: list[BenchmarkResult]
    unwritten: list[str] = []  # what was asked for and could not be written, a line each

    @property
    def exit_code(self) -> int:
        """0 passed, 1 slower or intermittent, 2 something could not be measured, or a result not written."""
        outcomes = {benchmark.outcome for benchmark in self.benchmarks}
        return 2 if "error" in outcomes or self.unwritten else 1 if outcomes & FAILURES else 0

    @property
    def headline(self) -> str:
        """In one line."""
        slower = [each.name for each in self.benchmarks if each.outcome == "regression"]
        stalling = [each.name for each in self.benchmarks if each.outcome == "intermittent"]
        broken = [each.name for each in self.benchmarks if each.outcome == "error"]
        parts = [f"regression: {', '.join(slower)}"] if slower else []
        parts += [f"intermittent: {', '.join(stalling)}"] if stalling else []
        parts += [f"not measured: {', '.join(broken)}"] if broken else []
        return "; ".join(parts) or f"pass: no slow-down beyond {self.threshold:.1%} is shown"
