"""One pair: a fresh process group of either side, alive at once and measured in turns, or one after the other."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

import numpy as np
import psutil

from bench.cells.turns import Participant, conduct
from bench.gate.running import Benchmark, Measured, Running
from bench.gate.sides import Side
from bench.host.guardian import Guarded
from bench.host.processes import interrupts_deferred
from shared.errors import UserError

GRACE_SECONDS = 20.0  # a `bench run` that is told to end ends its own processes first


class NoTurnsError(Exception):
    """A side does not take turns."""


class Bench:
    """Where pairs are measured: a folder, and a guardian that ends what is left should the gate be killed."""

    def __init__(self, folder: Path, failures: Path) -> None:
        self.folder, self.failures = folder, failures
        self.guarded = Guarded(os.environ)
        self._count = 0
        self._planned: set[tuple[str, str]] = set()  # sides and benchmarks whose stores are there
        self._running: list[Running] = []

    def pair(self, sides: Sequence[Side], benchmark: Benchmark, head_first: bool) -> tuple[Measured, Measured]:
        """Base and head in turns, the head beginning or not.

        Raises:
            MeasurementError: a side failed.
            NoTurnsError: a side takes no turns.
        """
        base, head = self._in_turns(sides, benchmark, head_first)
        if not (base.turn_seconds and head.turn_seconds):
            raise NoTurnsError
        return base, head

    def pair_apart(self, sides: Sequence[Side], benchmark: Benchmark, head_first: bool) -> tuple[Measured, Measured]:
        """Base and head one after the other.

        Raises:
            MeasurementError: a side failed.
        """
        results = {side.name: self.alone(side, benchmark) for side in (reversed(sides) if head_first else sides)}
        return results["base"], results["head"]

    def alone(self, side: Side, benchmark: Benchmark) -> Measured:
        """One side by itself.

        Raises:
            MeasurementError: it failed.
        """
        with self._measuring():
            return self._start(side, benchmark, {}).result(self.failures)

    def close(self) -> None:
        """Nothing is left to guard."""
        self.guarded.close()

    def _in_turns(self, sides: Sequence[Side], benchmark: Benchmark, head_first: bool) -> tuple[Measured, Measured]:
        with self._measuring() as folder:
            participants: list[Participant] = []
            running: dict[str, Running] = {}
            order = list(reversed(sides)) if head_first else list(sides)
            for side in order:
                participant = Participant(
                    folder / f"turns-{side.name}",
                    lambda name=side.name: running[name].workers(),  # type: ignore[misc]
                    lambda name=side.name: running[name].is_alive(),  # type: ignore[misc]
                )
                participants.append(participant)
                running[side.name] = self._start(side, benchmark, participant.environment)
                key = (side.name, benchmark.name)
                if key not in self._planned and running[side.name].wait_until_planned():
                    self._planned.add(key)
            conduct(participants)
            # the first turn is the warm-up
            asked = {one.name: each.turn_steps[1:] for one, each in zip(order, participants, strict=True)}
            base, head = (running[name].result(self.failures, asked[name]) for name in ("base", "head"))
            return base, head

    def _start(self, side: Side, benchmark: Benchmark, variables: dict[str, str]) -> Running:
        out = self.folder / str(self._count) / f"{benchmark.name}-{side.name}-{self._count}"
        self._running.append(Running(side, benchmark, out, variables, self.guarded))
        return self._running[-1]

    @contextmanager
    def _measuring(self) -> Iterator[Path]:
        """A folder for one measurement; whatever happens, its processes are gone at the end, and so is the folder."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            with interrupts_deferred():
                self._end()  # by their mark: one may have been started a moment ago and be on no list yet
            raise
        finally:
            with interrupts_deferred():
                for each in self._running:
                    each.process.wait()
                self._running.clear()
                shutil.rmtree(folder, ignore_errors=True)

    def _end(self) -> None:
        self.guarded.end(GRACE_SECONDS)
        for each in self._running:
            each.process.wait()
            for worker in each.workers():  # of a `bench run` that had to be killed
                with suppress(psutil.Error):
                    worker.kill()


def log_ratios(base: Measured, head: Measured) -> tuple[float, float | None]:
    """log(throughput of the head / that of the base), over the whole window and of the typical step.

    In turns, the whole is the ratio of the seconds that equally many steps of both took in all, the typical step the
    median over the ratios of turns side by side, which a stall in fewer than half of the turns does not move. One after
    the other there is the whole alone: that of the throughputs.

    Of an inference there is the median alone: that over the ratios of turns side by side, of each the median call.
    """
    turns = list(
        takewhile(
            lambda turn: turn[0] == turn[1],
            zip(base.turn_steps, head.turn_steps, base.turn_seconds, head.turn_seconds, strict=False),
        )
    )
    if not turns:
        return math.log(head.throughput / base.throughput), None
    if base.of_medians and head.of_medians:
        return float(np.median([math.log(of_base) - math.log(of_head) for _, _, of_base, of_head in turns])), None
    steps, _, of_base, of_head = (np.array(column, dtype=np.float64) for column in zip(*turns, strict=True))
    whole = math.log(float(steps @ of_base)) - math.log(float(steps @ of_head))
    return whole, float(np.median(np.log(of_base) - np.log(of_head)))


def check_comparable(base: Measured, head: Measured, benchmark: Benchmark, allowed: bool) -> bool:
    """Whether the sides ran different specs or data, which is refused unless allowed.

    Of a setting (`bench.records.identity`) nothing else can differ: both run one benchmark on one machine. Records are
    those of two revisions, so only what each of them has ever said is looked at.

    Raises:
        UserError: other specs or data, or other devices.
    """
    if base.device != head.device and base.device and head.device:
        raise UserError(
            f"{benchmark.name}: the base ran on {base.device}, the head on {head.device}; name one: --device"
        )
    if base.data_digest and head.data_digest and base.data_digest != head.data_digest and not allowed:
        raise UserError(
            f"{benchmark.name}: base and head train on different data ({base.data_digest[:16]} and "
            f"{head.data_digest[:16]}), which cannot be compared; --data STORE gives both the same, and "
            "--allow-spec-change compares them all the same"
        )
    differs = (base.spec_hash, base.data_digest) != (head.spec_hash, head.data_digest)
    if differs and not allowed:
        raise UserError(
            f"{benchmark.name}: base and head train different specs ({base.spec_hash} and {head.spec_hash}), which "
            "cannot be compared; --allow-spec-change compares them all the same"
        )
    return differs
