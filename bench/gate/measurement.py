"""One benchmark of a gate: pairs are measured until the rule has decided, or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.gate.kept import Kept, KeptPair
from bench.gate.measure import Bench, NoTurnsError, check_comparable, log_ratios
from bench.gate.power import smallest_shown
from bench.gate.result import BenchmarkResult, PairResult
from bench.gate.rule import FEWEST_PAIRS, MOST_PAIRS, Verdict, judge, looks
from bench.gate.running import Benchmark, Measured, MeasurementError
from bench.gate.sides import Side
from bench.run.progress import clock

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
    resume: bool = False  # go on with the pairs that an interrupted gate left


class Clock:
    """How long a gate may go on, from its first pair: every benchmark has its share, and what others before it left.

    None ends before FEWEST_PAIRS, which decide nothing, and a pair that has begun is measured to its end: the limit is
    that of beginning another one.
    """

    def __init__(self, limit: float | None, benchmarks: int) -> None:
        self.begin = time.monotonic()
        self._ends = [None if limit is None else self.begin + limit * (index + 1) / benchmarks
                      for index in range(benchmarks)]  # fmt: skip

    def left(self, index: int) -> float | None:
        """Seconds of the limit that a benchmark still has; None: there is none."""
        end = self._ends[index]
        return None if end is None else max(0.0, end - time.monotonic())

    def is_over(self, index: int, pairs: int) -> bool:
        """Whether a benchmark ends now, decided or not."""
        end = self._ends[index]
        return end is not None and pairs >= FEWEST_PAIRS and time.monotonic() >= end


class Measurement:
    """One benchmark: pairs until the rule has decided."""

    def __init__(
        self, bench: Bench, both: Sequence[Side], benchmark: Benchmark, request: Request, clocks: Clock, index: int,
        kept: Kept, say: Say,
    ) -> None:  # fmt: skip
        self.bench, self.sides, self.benchmark, self.request = bench, both, benchmark, request
        self.clocks, self.index, self.kept, self.say = clocks, index, kept, say
        self.plan = looks(request.most_pairs)
        self.apart, self.notes = request.apart, list[str]()
        self.spec_changed = False
        self.pairs: list[PairResult] = []
        self.versions: dict[str, dict[str, str]] = {}
        self._take_up(kept.of(benchmark.name))

    def run(self) -> BenchmarkResult:
        """Measure, decide.

        Raises:
            UserError: the sides cannot be compared.
        """
        begin = time.monotonic()
        verdict = self._judge(ended=False) if self.pairs else None
        while verdict is None or verdict.decision == "go on":
            try:
                self._measure()
            except NoTurnsError:
                self._go_apart()
                continue
            except MeasurementError as error:
                return self._result("error", verdict, time.monotonic() - begin, str(error))
            over = self.clocks.is_over(self.index, len(self.pairs))
            verdict = self._judge(ended=over)
            if over and verdict.decision == "undecided":
                self.notes.append("ended by the time limit")
            self._tell(verdict)
        return self._result(verdict.decision, verdict, time.monotonic() - begin, None)

    def so_far(self) -> str:
        """What the pairs show, for a gate that was interrupted; nothing is decided by it."""
        verdict = self._judge(ended=False)
        return f"{self.benchmark.name}: head/base {verdict.ratio:.3f} over {verdict.pairs}, {verdict.decision}"

    def _take_up(self, kept: Sequence[KeptPair]) -> None:
        """Begin with pairs that an earlier call measured."""
        self.pairs = [each.pair for each in kept]
        for each in kept:
            self.apart = self.apart or each.pair.turns == 0
            self.spec_changed, self.versions = each.spec_changed, each.versions
        if kept:
            self.say(f"{self.benchmark.name}: {len(kept)} pairs are there already")

    def _judge(self, ended: bool) -> Verdict:
        typical = [pair.typical_log_ratio for pair in self.pairs]
        known = [value for value in typical if value is not None]
        return judge(
            [pair.log_ratio for pair in self.pairs], self.request.threshold, self.plan, ended,
            known if len(known) == len(typical) else None,
        )  # fmt: skip

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
        self.kept.add(KeptPair(benchmark=self.benchmark.name, pair=self.pairs[-1], spec_changed=self.spec_changed,
                               versions=self.versions))  # fmt: skip

    def _go_apart(self) -> None:
        """A side is too old to take turns: from here on one after the other, and nothing that was is kept."""
        self.apart = True
        self.pairs.clear()
        self.kept.drop(self.benchmark.name)
        self.notes.append("a side takes no turns: measured one after the other, which resolves less")
        self.say(f"{self.benchmark.name}: {self.notes[-1]}")

    def _tell(self, verdict: Verdict) -> None:
        pair, least, most = self.pairs[-1], self.plan[0].pairs, self.plan[-1].pairs
        if verdict.pairs == 1:
            low, high = (clock(pair.seconds * count) for count in (least, most))
            limit = self.clocks.left(self.index)
            ends = f"; after {clock(limit)} no further one begins, once there are {FEWEST_PAIRS}" if limit else ""
            self.say(f"{self.benchmark.name}: a pair takes {pair.seconds:.0f} s; {low} to {high} in all{ends}")
        disturbed = "; ".join(pair.disturbances)
        bounds = f" [{verdict.low:.3f}, {verdict.high:.3f}]" if verdict.low is not None else ""
        self.say(
            f"{self.benchmark.name}: pair {verdict.pairs} of {least} to {most}: "
            f"head/base {np.exp(pair.log_ratio):.3f}{f' (disturbed: {disturbed})' if disturbed else ''}, "
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
            typical=verdict and verdict.typical,
            gap_low=verdict and verdict.gap_low,
            gap_high=verdict and verdict.gap_high,
            smallest=smallest_shown([pair.log_ratio for pair in self.pairs], self.request.threshold, self.plan),
            base_throughput=float(np.median(bases)) if bases else None,
            head_throughput=float(np.median([pair.head_throughput for pair in self.pairs])) if bases else None,
            batch=self.benchmark.batch,
            apart=self.apart,
            spec_changed=self.spec_changed,
            pairs=self.pairs,
            seconds=seconds,
        )


def pair_result(base: Measured, head: Measured, head_first: bool, apart: bool, seconds: float) -> PairResult:
    """A pair as the result has it."""
    whole, typical = log_ratios(base, head)
    named = (("base", base), ("head", head))
    return PairResult(
        log_ratio=whole,
        typical_log_ratio=None if apart else typical,
        disturbances=[f"{name}: {text}" for name, side in named for text in side.disturbances],
        base_throughput=base.throughput,
        head_throughput=head.throughput,
        turns=0 if apart else min(len(base.turn_seconds), len(head.turn_seconds)),
        head_first=head_first,
        seconds=seconds,
    )
