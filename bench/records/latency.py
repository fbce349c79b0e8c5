"""The repeats of cells that answered requests, summed up: a row per batch size, and ratios of columns pair by pair."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.records import identity
from bench.records.columns import column_order
from bench.records.record import Inference, Record
from bench.records.repeats import values_ratio
from bench.records.sittings import PairKey, Sittings
from bench.statistics import intervals
from bench.statistics.intervals import Estimate

Figure = Literal[
    "p50_ms", "p95_ms", "p99_ms", "first_ms", "prepare_ms", "whole_p50_ms", "whole_p95_ms", "whole_p99_ms",
    "samples_per_second", "rss_peak", "allocator_peak",
]  # fmt: skip


@dataclass(frozen=True)
class SizeRow:
    """The repeats of one cell at one batch size; None: a cell that answered nothing."""

    records: tuple[Record, ...]
    batch: int | None

    @property
    def found(self) -> list[Inference]:
        """What came of it in each repeat that ended well."""
        every = [of_batch(record, self.batch) for record in self.records if record.status == "ok"]
        return [each for each in every if each is not None]

    @property
    def reason(self) -> str | None:
        """Why there is no figure; None where there is one."""
        if any(each.p50_ms is not None for each in self.found):
            return None
        said = [each.reason for each in self.found] + [record.reason or record.status for record in self.records]
        return next((each for each in said if each), "not timed")

    def estimate(self, figure: Figure) -> Estimate | None:
        """The median of a figure over the repeats, with its interval where there are enough of them."""
        values = [float(value) for each in self.found if (value := getattr(each, figure)) is not None]
        return intervals.median(values) if values else None

    def values(self, figure: Figure, sittings: Sittings) -> dict[PairKey, float]:
        """A figure of each repeat, by what it has in common with those that ran beside it."""
        return {
            sittings.key(record): value
            for record in self.records
            if (value := value_of(record, self.batch, figure)) is not None
        }


def of_batch(record: Record, batch: int | None) -> Inference | None:
    """What came of a batch size in a record; None where it was not asked for."""
    return next((each for each in record.inference if each.batch == batch), None)


def value_of(record: Record, batch: int | None, figure: Figure) -> float | None:
    """A figure of a record that ended well."""
    found = of_batch(record, batch) if record.status == "ok" else None
    value = None if found is None else getattr(found, figure)
    return None if value is None else float(value)


def size_rows(records: Iterable[Record]) -> list[SizeRow]:
    """A row per cell and batch size, by column, arm, replicas and size; one for a cell that answered nothing."""
    groups: dict[identity.Values, list[Record]] = {}
    ordered = sorted(records, key=lambda record: (column_order(record), record.arm, record.replicas, record.repeat))
    for record in ordered:
        groups.setdefault(identity.cell(record), []).append(record)
    return [SizeRow(tuple(group), size) for group in groups.values() for size in sizes_of(group)]


def sizes_of(records: Iterable[Record]) -> list[int | None]:
    """The batch sizes that some records answered; None where they answered nothing."""
    return [*sorted({each.batch for record in records for each in record.inference})] or [None]


def size_ratios(rows: Sequence[SizeRow], figure: Figure = "p50_ms") -> list[tuple[SizeRow, SizeRow, Estimate]]:
    """Of each place and batch size the first column's row, another's, and its figure over the first's."""
    places: dict[tuple[object, ...], list[SizeRow]] = {}
    for row in rows:
        if row.batch is not None:
            places.setdefault((*identity.place(row.records[0]), row.batch), []).append(row)
    sittings = Sittings(record for row in rows for record in row.records)
    pairs = [(first, other) for first, *others in places.values() for other in others]
    ratios = [(a, b, values_ratio(b.values(figure, sittings), a.values(figure, sittings))) for a, b in pairs]
    return [(a, b, ratio) for a, b, ratio in ratios if ratio is not None]
