"""Which kind of run records are of: plain cells, or those of an attribution."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bench.records.record import Record


def ran_together(records: Sequence[Record]) -> bool:
    """Whether the cells of some records were alive at the same time, as cells that take turns are."""
    starts = [datetime.fromisoformat(record.started) for record in records]
    ends = [start + timedelta(seconds=record.wall_seconds) for start, record in zip(starts, records, strict=True)]
    return max(starts) < min(ends)


def attribution_runs(records: Iterable[Record]) -> set[str]:
    """The runs among records that are attributions, also those whose cells came to nothing.

    They have cells of their own kinds, and cells of several input modes, of which a plain run has one.
    """
    runs: set[str] = set()
    modes: dict[str, set[str]] = {}
    for record in records:
        modes.setdefault(record.run_id, set()).add(record.input_mode)
        if record.part_seconds or not record.exchange or len(modes[record.run_id]) > 1:
            runs.add(record.run_id)
    return runs


def plain(records: Sequence[Record]) -> list[Record]:
    """The records that are no attribution's: those that may stand in a plot of throughputs."""
    runs = attribution_runs(records)
    return [record for record in records if record.run_id not in runs]


def tabled(records: Sequence[Record]) -> list[Record]:
    """The records that a plain table shows: of an attribution those of the whole pipeline, failed ones too."""
    runs = attribution_runs(records)
    return [
        record for record in records if record.run_id not in runs or (record.exchange and record.input_mode == "disk")
    ]
