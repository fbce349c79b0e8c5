"""What a user sees while cells run: a live line on a terminal, plain lines elsewhere. On standard error."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from bench.expected import Expectation
from bench.launch import Progress
from bench.records import Record
from shared.protocol import Cell

LIVE_SECONDS = 0.5  # between two refreshes of the live line
PLAIN_SECONDS = 15.0  # between two plain lines of one phase


def clock(seconds: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def describe(progress: Progress, total_steps: int, batch: int) -> str:
    """Phase, step of how many, samples/s, time left in the steps."""
    parts = [progress.phase]
    if progress.steps_done:
        parts.append(f"step {progress.steps_done}/{total_steps}")
    if progress.samples_per_second:
        left = max(0, total_steps - progress.steps_done) * batch / progress.samples_per_second
        parts += [f"{progress.samples_per_second:.1f} samples/s", f"{clock(left)} left in this cell"]
    return ", ".join(parts)


class Reporter(Protocol):
    """Where the progress of a run goes."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None: ...

    def message(self, text: str) -> None:
        """Say something that stays."""

    def begin(self, position: int, of: int, cell: Cell, total_steps: int, beside: int = 0) -> None:
        """A cell starts, or the first of some that take turns, with so many beside it."""

    def update(self, progress: Progress) -> None:
        """The running cell has something new."""

    def end(self, record: Record) -> None:
        """The running cell has ended."""


class ConsoleReporter:
    """The progress on a console: one live line where it is a terminal, a line a phase where it is not."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        # no thread of its own: it is refreshed by us, and costs nothing while a cell is silent
        self._live = Live(console=self.console, auto_refresh=False, transient=True)
        self._cell: Cell | None = None
        self._place, self._head, self._total_steps, self._phase, self._shown = "", "", 0, "", 0.0
        self._walls: list[float] = []
        self._expected: dict[str, float] = {}

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self.console.is_terminal:
            self._live.stop()

    def message(self, text: str) -> None:
        """Say something that stays."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def expect(self, expectations: Mapping[str, Expectation]) -> None:
        """What cells should take by earlier runs, by their ids."""
        self._expected = {cell_id: each.seconds for cell_id, each in expectations.items() if each.seconds is not None}

    def begin(self, position: int, of: int, cell: Cell, total_steps: int, beside: int = 0) -> None:
        """A cell starts, or the first of some that take turns, with so many beside it."""
        left = self._time_left(position, of, cell)
        self._cell, self._total_steps = cell, total_steps
        self._place = f"[{position}/{of}{left}]"
        self._head = f"{self._place} {cell.cell_id}" + (f" and {beside} more in turns" if beside else "")
        self._phase, self._shown = "", 0.0
        self.update(Progress())

    def _time_left(self, position: int, of: int, cell: Cell) -> str:
        """For the head of a line: by the cells that ended, before the first of them by earlier runs."""
        if self._walls:
            return f", about {clock(sum(self._walls) / len(self._walls) * (of - position + 1))} left"
        told = self._expected.get(cell.cell_id)
        return "" if told is None else f", about {clock(told)} expected for it"

    def update(self, progress: Progress) -> None:
        """Show the running cell; at once where its phase is new, seldom otherwise."""
        assert self._cell is not None
        interval = LIVE_SECONDS if self.console.is_terminal else PLAIN_SECONDS
        now = time.monotonic()
        changed = progress.phase != self._phase and not self.console.is_terminal
        if not changed and now - self._shown < interval:
            return
        self._phase, self._shown = progress.phase, now
        line = f"{self._head}: {describe(progress, self._total_steps, self._cell.global_batch)}"
        if self.console.is_terminal:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        else:
            self.message(line)

    def end(self, record: Record) -> None:
        """Leave a line about the cell that ended."""
        self._walls.append(record.wall_seconds)
        rate = f", {record.throughput:.2f} samples/s" if record.throughput is not None else ""
        reason = f": {record.reason} (log: {record.log})" if record.reason else ""
        self.message(f"{self._place} {record.cell_id}: {record.status}{rate} in {clock(record.wall_seconds)}{reason}")
