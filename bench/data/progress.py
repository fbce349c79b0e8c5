"""How far a long job is: a bar in a terminal, now and then a line elsewhere (a log, a pipe)."""

from __future__ import annotations

import time
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

SECONDS_BETWEEN_LINES = 5.0
UNITS = {"pages": "pages", "OCR": "pages"}  # what is counted in a phase; of others no rate is shown


class Begin(NamedTuple):
    """When a phase began, and what an earlier call had done of it."""

    seconds: float
    done: int


class ConsoleProgress:
    """A `bench.data.source.Progress` that draws on a console while its `with` block runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
        )
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}
        self._begins: dict[str, Begin] = {}
        self._last_line = time.monotonic()

    def __enter__(self) -> ConsoleProgress:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that `done` of `total` (pages, bytes, ...) of a phase are over."""
        now = time.monotonic()
        begin = self._begins.setdefault(what, Begin(now, done))
        rate = rate_and_rest(what, done - begin.done, total - done, now - begin.seconds)
        if self._console.is_terminal:
            if what not in self._tasks:
                self._tasks[what] = self._bars.add_task(what, total=total, rate=rate)
            self._bars.update(self._tasks[what], completed=done, total=total, rate=rate)
        elif now - self._last_line > SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(", ".join(filter(None, (f"{what}: {done:,} of {total:,}", rate))), soft_wrap=True)


def rate_and_rest(what: str, done: int, left: int, seconds: float) -> str:
    """Units per second and the time left; empty while nothing is known.

    Args:
        what: the phase. done, left: units done in this call, and still to do. seconds: since it began.

    >>> rate_and_rest("OCR", 30, 90, 20.0)
    '1.5 pages/s, 0:01:00 left'
    >>> rate_and_rest("OCR", 0, 90, 20.0)
    ''
    """
    if not done or seconds <= 0:
        return ""
    rest = f"{timedelta(seconds=round(left * seconds / done))} left"
    return f"{done / seconds:,.1f} {UNITS[what]}/s, {rest}" if what in UNITS else rest
