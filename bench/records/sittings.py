"""Which cells of a run ran next to each other, so that their repeats may be paired.

A plan runs a repeat's cells one after the other (bench/run/plan.py: repeats outermost), and what the machine did
meanwhile met all of them. That is no longer so where a cell failed and was run again later (`--resume`), or where a run
rested.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter

from bench.records.record import Record

PairKey = tuple[str, int, int]  # run, repeat, sitting: equal for records that ran side by side
MOST_IDLE = 5.0  # times the longer of two cells that may pass between them; the cells of a plain table are not all
LEAST_IDLE = 60.0  # seconds; a shorter rest parts nobody


class Sittings:
    """The sittings of some runs: stretches of time in which cells of one repeat followed each other without a rest."""

    def __init__(self, records: Iterable[Record]) -> None:
        """
        Args:
            records: of any number of runs and in any order, failed ones too; those that are compared among them.
        """
        runs: dict[str, list[tuple[float, int, float]]] = {}
        for record in records:
            runs.setdefault(record.run_id, []).append((began(record), record.repeat, record.wall_seconds))
        self._starts = {run_id: sitting_starts(cells) for run_id, cells in runs.items()}

    def key(self, record: Record) -> PairKey:
        """What a record has in common with those of its repeat that ran next to it."""
        return (record.run_id, record.repeat, bisect_right(self._starts[record.run_id], began(record)))


def sitting_starts(cells: Iterable[tuple[float, int, float]]) -> list[float]:
    """When the sittings of one run began, ascending.

    Args:
        cells: start (seconds), repeat and wall time (seconds) of each.
    """
    starts: list[float] = []
    last_repeat, end, last_wall = None, 0.0, 0.0
    for start, repeat, wall in sorted(cells, key=itemgetter(0, 1)):
        if repeat != last_repeat or start - end > max(LEAST_IDLE, MOST_IDLE * max(wall, last_wall)):
            starts.append(start)
        # cells that take turns are alive at the same time: the last of them to end counts
        end = max(end, start + wall)
        last_repeat, last_wall = repeat, wall
    return starts


def began(record: Record) -> float:
    """When a cell was started, in seconds since 1970."""
    return datetime.fromisoformat(record.started).timestamp()


def apart_text(count: int) -> str:
    """Repeats of two cells that are no pairs.

    >>> apart_text(1)
    '1 repeat that did not run side by side (run again later, or after a rest) is not paired'
    """
    were = "repeat that did not run side by side" if count == 1 else "repeats that did not run side by side"
    return f"{count} {were} (run again later, or after a rest) {'is' if count == 1 else 'are'} not paired"
