"""A gate from the revisions to the result: pairs are measured until the rule has decided each benchmark."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench import machine
from bench.gate import sides
from bench.gate.measure import Bench, NoTurnsError, check_comparable, log_ratio
from bench.gate.result import BenchmarkResult, GateResult, PairResult, SideResult
from bench.gate.revisions import Repository, Revision, checkouts, workplace
from bench.gate.rule import FEWEST_PAIRS, MOST_PAIRS, Verdict, guarantee, judge, looks
from bench.gate.running import Benchmark, Measured, MeasurementError
from bench.gate.sides import Side
from bench.processes import termination_as_interrupt
from bench.progress import clock

Say = Callable[[str], None]
TRIES = 2  # of a pair: one failure may be the machine's


@dataclass(frozen=True)
class Request:
    """What `bench gate` was asked for."""

    base: str | None  # None: against a history
    head: str
    benchmarks: tuple[Benchmark, ...]
    threshold: float
    most_pairs: int = MOST_PAIRS
    base_python: str | None = None
    head_python: str | None = None
    allow_dirty: bool = False
    allow_spec_change: bool = False
    apart: bool = False
    time_limit: float | None = None  # seconds; heeded from the first look on


class Clock:
    """How long a gate may go on: every benchmark has its share of the limit, and what others before it left."""

    def __init__(self, limit: float | None, benchmarks: int) -> None:
        self.begin = time.monotonic()
        self._ends = [None if limit is None else self.begin + limit * (index + 1) / benchmarks
                      for index in range(benchmarks)]  # fmt: skip

    def is_over(self, index: int, pairs: int) -> bool:
        """Whether a benchmark ends now, decided or not."""
        end = self._ends[index]
        return end is not None and pairs >= FEWEST_PAIRS and time.monotonic() >= end


def gate(request: Request, say: Say) -> GateResult:
    """Measure base against head.

    Raises:
        UserError: whatever the user got wrong, a revision that cannot be measured, sides that cannot be compared.
    """
    looks(request.most_pairs)  # refused before anything is checked out
    repository = Repository(Path.cwd())
    assert request.base is not None
    revisions = [repository.resolve(request.base, "--base", request.allow_dirty),
                 repository.resolve(request.head, "--head", request.allow_dirty)]  # fmt: skip
    started, begin = datetime.now(UTC), time.monotonic()
    with prepared(repository, revisions, request, say) as (bench, both):
        clocks = Clock(request.time_limit, len(request.benchmarks))
        results, versions = [], {side.name: dict[str, str]() for side in both}
        for index, benchmark in enumerate(request.benchmarks):
            one = Measurement(bench, both, benchmark, request, clocks, index, say)
            results.append(one.run())
            for name, found in one.versions.items():
                versions[name] |= found
    base, head = (side_result(side, versions[side.name]) for side in both)
    return GateResult(
        base=base,
        head=head,
        threshold=request.threshold,
        guarantee=guarantee(request.threshold, len(request.benchmarks)),
        machine=machine.fingerprint(),
        device_name=device_name(),
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - begin,
        benchmarks=results,
    )


@contextmanager
def prepared(
    repository: Repository, revisions: list[Revision], request: Request, say: Say
) -> Iterator[tuple[Bench, list[Side]]]:
    """Both sides checked out and tried, and a place to measure; nothing of it is left at the end."""
    with termination_as_interrupt(), workplace() as folder, checkouts(repository, revisions, folder) as trees:
        interpreters = sides.pythons(trees, folder, say)
        named = {"base": request.base_python, "head": request.head_python}
        frameworks = sorted({benchmark.framework for benchmark in request.benchmarks})
        names = ["base", "head"] if len(revisions) > 1 else ["head"]
        made = [
            sides.make_side(name, revision, tree, python, named[name], frameworks, folder / "shared")
            for name, revision, tree, python in zip(names, revisions, trees, interpreters, strict=True)
        ]
        for side in made:
            say(f"{side.name}: {side.label}")
        bench = Bench(folder / "pairs", folder / "failed")
        try:
            yield bench, made
        finally:
            bench.close()


def side_result(side: Side, versions: dict[str, str]) -> SideResult:
    """A side as the result has it."""
    revision = side.revision
    return SideResult(name=revision.name, label=side.label, commit=revision.commit, dirty=revision.dirty,
                      python=side.named, versions=versions)  # fmt: skip


def device_name() -> str:
    """What is measured on, for people."""
    gpus = machine.gpus()
    return gpus[0].name if gpus else f"{machine.cpu_model()}, {len(machine.usable_cores())} cores"


class Measurement:
    """One benchmark: pairs until the rule has decided."""

    def __init__(
        self, bench: Bench, both: Sequence[Side], benchmark: Benchmark, request: Request, clocks: Clock, index: int,
        say: Say,
    ) -> None:  # fmt: skip
        self.bench, self.sides, self.benchmark, self.request = bench, both, benchmark, request
        self.clocks, self.index, self.say = clocks, index, say
        self.plan = looks(request.most_pairs)
        self.apart, self.notes = request.apart, list[str]()
        self.spec_changed = False
        self.pairs: list[PairResult] = []
        self.versions: dict[str, dict[str, str]] = {}

    def run(self) -> BenchmarkResult:
        """Measure, decide.

        Raises:
            UserError: the sides cannot be compared.
        """
        begin = time.monotonic()
        verdict: Verdict | None = None
        while verdict is None or verdict.decision == "go on":
            try:
                self._measure()
            except NoTurnsError:
                self._go_apart()
                continue
            except MeasurementError as error:
                return self._result("error", verdict, time.monotonic() - begin, str(error))
            over = self.clocks.is_over(self.index, len(self.pairs))
            verdict = judge([pair.log_ratio for pair in self.pairs], self.request.threshold, self.plan, ended=over)
            if over and verdict.decision == "undecided":
                self.notes.append("ended by the time limit")
            self._tell(verdict)
        return self._result(verdict.decision, verdict, time.monotonic() - begin, None)

    def _measure(self) -> None:
        """One more pair; a failed one is tried again."""
        head_first = len(self.pairs) % 2 == 1
        begin = time.monotonic()
        for attempt in range(1, TRIES + 1):
            try:
                measure = self.bench.pair_apart if self.apart else self.bench.pair
                base, head = measure(self.sides, self.benchmark, head_first)
                break
            except MeasurementError as error:
                if attempt == TRIES:
                    raise
                self.say(f"{self.benchmark.name}: {error}; once more")
        self.spec_changed = check_comparable(base, head, self.benchmark, self.request.allow_spec_change)
        self.versions = {"base": base.versions, "head": head.versions}
        self.pairs.append(pair_result(base, head, head_first, self.apart, time.monotonic() - begin))

    def _go_apart(self) -> None:
        """A side is too old to take turns: from here on one after the other, and nothing that was is kept."""
        self.apart = True
        self.pairs.clear()
        self.notes.append("a side takes no turns: measured one after the other, which resolves less")
        self.say(f"{self.benchmark.name}: {self.notes[-1]}")

    def _tell(self, verdict: Verdict) -> None:
        pair, least, most = self.pairs[-1], self.plan[0].pairs, self.plan[-1].pairs
        if verdict.pairs == 1:
            low, high = (clock(pair.seconds * count) for count in (least, most))
            limit = f", or until the limit of {clock(self.request.time_limit)}" if self.request.time_limit else ""
            self.say(f"{self.benchmark.name}: a pair takes {pair.seconds:.0f} s; {low} to {high} in all{limit}")
        bounds = f" [{verdict.low:.3f}, {verdict.high:.3f}]" if verdict.low is not None else ""
        self.say(
            f"{self.benchmark.name}: pair {verdict.pairs} of {least} to {most}: "
            f"head/base {np.exp(pair.log_ratio):.3f}, "
            f"so far {verdict.ratio:.3f}{bounds}{'' if verdict.decision == 'go on' else f': {verdict.decision}'}"
        )

    def _result(self, outcome: str, verdict: Verdict | None, seconds: float, reason: str | None) -> BenchmarkResult:
        bases = [pair.base_throughput for pair in self.pairs]
        return BenchmarkResult(
            name=self.benchmark.name,
            outcome=outcome,  # type: ignore[arg-type]
            reason="; ".join([*([reason] if reason else []), *self.notes]) or None,
            ratio=verdict and verdict.ratio,
            low=verdict and verdict.low,
            high=verdict and verdict.high,
            level=verdict and verdict.level,
            smallest=verdict and verdict.smallest,
            base_throughput=float(np.median(bases)) if bases else None,
            head_throughput=float(np.median([pair.head_throughput for pair in self.pairs])) if bases else None,
            apart=self.apart,
            spec_changed=self.spec_changed,
            pairs=self.pairs,
            seconds=seconds,
        )


def pair_result(base: Measured, head: Measured, head_first: bool, apart: bool, seconds: float) -> PairResult:
    """A pair as the result has it."""
    return PairResult(
        log_ratio=log_ratio(base, head),
        base_throughput=base.throughput,
        head_throughput=head.throughput,
        turns=0 if apart else min(len(base.turn_seconds), len(head.turn_seconds)),
        head_first=head_first,
        seconds=seconds,
    )
