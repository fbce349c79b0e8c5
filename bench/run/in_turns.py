"""Running the cells of an attribution that take turns: all of them at once, to their records."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cells.launch import Limits, Progress
from bench.cells.summary import make_record
from bench.cells.turns import run_in_turns
from bench.host.worker_environment import recorded_environment, worker_environment
from bench.records.record import Record
from bench.run.plan import Plan
from bench.run.progress import Reporter
from shared.protocol import Cell

PHASES = ("start", "build", "warmup", "measure", "train")  # in the order in which a cell goes through them


class Together:
    """Makes one progress of that of cells which take turns; they report from threads of their own."""

    def __init__(self, cells: Sequence[Cell], reporter: Reporter) -> None:
        self._reporter, self._lock = reporter, threading.Lock()
        self._latest = {cell.cell_id: Progress() for cell in cells}

    def update(self, cell: Cell, progress: Progress) -> None:
        """Tell the phase of the last of them, the steps of all, and what all windows take together, as they alternate.

        A rate in turns would say nothing.
        """
        with self._lock:
            self._latest[cell.cell_id] = progress
            every = self._latest.values()
            phase = min((each.phase for each in every), key=lambda name: PHASES.index(name) if name in PHASES else 0)
            windows = [each.window_seconds for each in every if each.window_seconds is not None]
            together = sum(windows) if len(windows) == len(self._latest) else None
            steps = sum(each.steps_done for each in every)
            self._reporter.update(Progress(phase, steps, window_seconds=together))


def run_and_record_in_turns(
    plan: Plan, cells: Sequence[Cell], contexts: Sequence[Mapping[str, Any]], limits: Limits, reporter: Reporter
) -> list[Record]:
    """Run cells in turns to their ends, however they end, and sum each up.

    Args:
        contexts: the fields of each cell's record that the run knows.
    """
    variables = [worker_environment(cell, plan.tune, plan.gpu_selectors[: cell.replicas]) for cell in cells]
    outcomes = run_in_turns(cells, variables, limits, Together(cells, reporter).update)
    return [
        make_record(cell, outcome, recorded_environment(own), **context)
        for cell, outcome, own, context in zip(cells, outcomes, variables, contexts, strict=True)
    ]
