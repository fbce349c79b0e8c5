"""What a user sees while cells run: a live line on a terminal, plain lines elsewhere. On standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench.cells.launch import Progress
from bench.monitors.monitor import WINDOW
from bench.records.columns import column_text
from bench.records.record import Record
from bench.run.expected import Expectation
from bench.run.remaining import Remaining
from bench.terminal.printable import printable, printable_lines
from shared.protocol import Cell

LIVE_SECONDS = 1.0  # between two refreshes of the live line
PLAIN_SECONDS = 60.0  # between two plain lines of one phase
SIGNS = "|/-\\"
WORDS = {
    "start": "starting",
    "build": "building",
    "train": "training",
    "evaluate": "evaluating",
    "finetune": "fine-tuning",
    "export": "exporting",
    "end": "ending",
}


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def name_of(cell: Cell | Record) -> str:
    """A cell as people call it: "PyTorch x 2", and in brackets what is not as usual."""
    unusual = [
        "inference" if cell.mode == "infer" else "",
        cell.arm if cell.arm != "matched" else "",
        cell.precision if cell.precision != "fp32" else "",
        cell.input_mode if cell.input_mode != "disk" else "",
        "" if cell.exchange else "no exchange",
        f"repeat {cell.repeat + 1}" if cell.repeat else "",
    ]
    brackets = ", ".join(filter(None, unusual))
    name = f"{column_text(cell.framework, cell.variant, cell.runtime)} x {cell.replicas}"
    return printable(f"{name} ({brackets})" if brackets else name)


def doing(progress: Progress, total_steps: int) -> str:
    """What a cell is doing, in a few words."""
    if progress.phase == WINDOW:
        seconds = progress.window_seconds
        return "measuring" + (f", about {clock(seconds)}" if seconds else "")
    if progress.phase == "warmup":
        return f"warm-up, step {progress.steps_done}" if progress.steps_done else "first step"
    word = WORDS.get(progress.phase, printable(progress.phase))
    counts = progress.phase == "train" and progress.steps_done < total_steps
    return f"{word} {progress.steps_done}/{total_steps}" if counts else word


def left_in_cell(progress: Progress, total_steps: int, batch: int) -> float | None:
    """Seconds that the rest of a cell's steps should take; None where its rate is not known, or nothing follows it."""
    if not progress.samples_per_second or progress.phase not in ("warmup", "train"):
        return None
    return max(0, total_steps - progress.steps_done) * batch / progress.samples_per_second


def describe(progress: Progress, total_steps: int, batch: int, run_left: float | None) -> str:
    """Rate and time left first, then what is done: it has to be read where a narrow terminal cuts the end off."""
    left = left_in_cell(progress, total_steps, batch)
    parts = []
    if progress.samples_per_second and progress.phase != WINDOW:
        parts.append(f"{progress.samples_per_second:.1f} samples/s")
    times = [] if left is None else [f"{clock(left)} left"]
    times += [] if run_left is None else [f"run {clock(run_left)} left" if left is None else f"run {clock(run_left)}"]
    return ", ".join([*parts, *times, doing(progress, total_steps)])


class Reporter(Protocol):
    """Where the progress of a run goes."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def message(self, text: str) -> None:
        """Say something that stays."""

    def queue(self, sets: Sequence[Sequence[Cell]]) -> None:
        """What is to be run, in order; cells that take turns are one set."""

    def begin(self, position: int, of: int, cell: Cell, total_steps: int, beside: int = 0) -> None:
        """A cell starts, or the first of some that take turns, with so many beside it."""

    def update(self, progress: Progress) -> None:
        """How far the running cell is; often the same as before."""

    def end(self, record: Record) -> None:
        """The running cell has ended."""


class ConsoleReporter:
    """The progress on a console: one live line where it is a terminal, a line a phase where it is not.

    Inside the measured window nothing is written: its begin is said, with what it should take.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        # no thread of its own: it is refreshed by us, and costs nothing while a cell is measured
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._cell: Cell | None = None
        self._index, self._place, self._name, self._total_steps = 0, "", "", 0
        self._phase, self._begun, self._shown, self._num_shown = "", 0.0, 0.0, 0
        self._told: dict[str, float] = {}
        self._remaining = Remaining()

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def message(self, text: str) -> None:
        """Say something that stays."""
        self.console.print(printable_lines(text), markup=False, highlight=False, soft_wrap=True)

    def expect(self, expectations: Mapping[str, Expectation]) -> None:
        """What cells should take by earlier runs, by their ids; before `queue`."""
        self._told = {cell_id: each.seconds for cell_id, each in expectations.items() if each.seconds is not None}

    def queue(self, sets: Sequence[Sequence[Cell]]) -> None:
        """What is to be run, in order; cells that take turns are one set."""
        self._remaining = Remaining(sets, self._told, self.name)

    def name(self, cell: Cell) -> str:
        """What a cell is called."""
        return name_of(cell)

    def begin(self, position: int, of: int, cell: Cell, total_steps: int, beside: int = 0) -> None:
        """A cell starts, or the first of some that take turns, with so many beside it."""
        self._cell, self._index, self._total_steps = cell, position - 1, total_steps
        self._place = f"[{position}/{of}]"
        self._name = self.name(cell) + (f" and {beside} more in turns" if beside else "")
        self._phase, self._begun = "", time.monotonic()
        self.update(Progress())

    def update(self, progress: Progress) -> None:
        """Show the running cell: at once where its phase is new, now and then otherwise, never inside its window."""
        assert self._cell is not None
        now, is_live = time.monotonic(), self.console.is_terminal
        is_new = progress.phase != self._phase
        if not is_new and (
            progress.phase == WINDOW or now - self._shown < (LIVE_SECONDS if is_live else PLAIN_SECONDS)
        ):
            return
        self._phase, self._shown = progress.phase, now
        elapsed = now - self._begun
        told = describe(progress, self._total_steps, self._cell.global_batch, self._run_left(progress, elapsed))
        line = f"{self._place} {clock(elapsed)} {told}, {self._name}"
        if is_live:
            self._num_shown += 1
            sign = SIGNS[self._num_shown % len(SIGNS)]
            self._live.update(Text(f"{sign} {line}", no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self.message(line)

    def _run_left(self, progress: Progress, elapsed: float) -> float | None:
        """Seconds that this cell and all after it should take; None where that cannot be told."""
        assert self._cell is not None
        in_steps = left_in_cell(progress, self._total_steps, self._cell.global_batch)
        should = self._remaining.seconds(self._index)
        known = [each for each in (in_steps, None if should is None else should - elapsed) if each is not None]
        if not known:
            return None
        present = max(0.0, *known)
        after = self._remaining.after(self._index, elapsed + present)
        return None if after is None else present + after

    def end(self, record: Record) -> None:
        """Leave a line about the cell that ended."""
        rate = f", {record.throughput:.2f} samples/s" if record.throughput is not None else ""
        if first := next((each for each in record.inference if each.p50_ms is not None), None):
            rate = f", {first.p50_ms:.3g} ms at batch {first.batch}"
        self.ended(name_of(record), record.status, rate, record.wall_seconds, record.reason, record.log)

    def ended(self, name: str, status: str, figure: str, seconds: float, reason: str | None, log: str | None) -> None:
        """Leave a line about a cell that ended, and reckon with the time that it took."""
        if status == "ok":
            self._remaining.finished(self._index, time.monotonic() - self._begun)
        why = f": {reason} (log: {log})" if reason and log else f": {reason}" if reason else ""
        self.message(f"{self._place} {name}: {status}{figure} in {clock(seconds)}{why}")
