"""Which kind of run records are of: plain cells, those of an attribution, or those of an inference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bench.records.record import Record


def ran_together(records: Sequence[Record]) -> bool:
    """Whether the cells of some records were alive at the same time, as cells that take turns are."""
    starts = [datetime.fromisoformat(record.started) for record in records]
    ends = [start + timedelta(seconds=record.wall_seconds) for start, record in zip(starts, records, strict=True)]
    return max(starts) < min(ends)


def plain(records: Iterable[Record]) -> list[Record]:
    """The records of trainings that are no attribution's: those that may stand in a plot of throughputs."""
    return [record for record in records if record.kind == "plain" and record.mode == "train"]


def attributions(records: Iterable[Record]) -> list[Record]:
    """The records that are of attributions, also those whose cells came to nothing."""
    return [record for record in records if record.kind == "attribution"]


def inferences(records: Iterable[Record]) -> list[Record]:
    """The records of cells that answered requests, failed ones too."""
    return [record for record in records if record.mode == "infer"]


def tabled(records: Iterable[Record]) -> list[Record]:
    """The records that a plain table shows: of an attribution those of the whole pipeline, failed ones too."""
    trained = (record for record in records if record.mode == "train")
    return [record for record in trained if record.kind == "plain" or (record.exchange and record.input_mode == "disk")]
