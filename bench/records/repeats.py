"""The repeats of a cell, summed up: a throughput with its interval, and ratios of cells whose repeats were interleaved.

Repeats of one run with the same number are a pair where they ran next to each other (bench/records/sittings.py), so
that what the machine did meanwhile met both; those of two runs, and those that were run again later, never are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bench.records import identity
from bench.records.columns import column_name, column_order
from bench.records.record import Record
from bench.records.sittings import PairKey, Sittings
from bench.statistics import intervals
from bench.statistics.intervals import Estimate

IMPLAUSIBLE_EFFICIENCY = 1.05  # above it, something else than the number of replicas has changed


@dataclass(frozen=True)
class Row:
    """The repeats of one cell, summed up over those that ended well."""

    records: tuple[Record, ...]
    throughput: Estimate | None  # samples/s
    speedup: Estimate | None  # None: no cell at one replica, or oversubscribed

    @property
    def efficiency(self) -> Estimate | None:
        """Speedup per replica."""
        return None if self.speedup is None else self.speedup.scaled(1 / self.records[0].replicas)


def rows(records: Iterable[Record]) -> list[Row]:
    """A row per cell, by column, arm and replicas; cells that exchanged no gradients are no training."""
    groups: dict[identity.Values, list[Record]] = {}
    alone: dict[identity.Values, list[Record]] = {}  # line to its records at one replica
    trained = [record for record in records if record.exchange]
    trained.sort(key=lambda record: (column_order(record), record.arm, record.replicas, record.repeat))
    for record in trained:
        groups.setdefault(identity.cell(record), []).append(record)
        if record.replicas == 1:
            alone.setdefault(identity.line(record), []).append(record)
    result = []
    sittings = Sittings(trained)
    for group in groups.values():
        baseline = alone.get(identity.line(group[0]), [])
        speedup = None if group[0].oversubscribed else throughput_ratio(group, baseline, sittings)
        if speedup is not None and group[0].replicas == 1:
            speedup = replace(speedup, low=None, high=None)  # 1 by definition, not by measurement
        result.append(Row(tuple(group), throughput_estimate(group), speedup))
    return result


def cell_name(row: Row, among: Iterable[Row]) -> str:
    """ "TensorFlow at 2 replicas", with the arm where the table has more than one."""
    first = row.records[0]
    arm = f" ({first.arm})" if len({other.records[0].arm for other in among}) > 1 else ""
    return f"{column_name(first)}{arm} at {first.replicas} replica{'' if first.replicas == 1 else 's'}"


def measured(records: Iterable[Record], sittings: Sittings) -> dict[PairKey, float]:
    """What a record has in common with those beside it to its throughput in samples/s, where it ended well."""
    return {sittings.key(record): value for record in records if (value := measured_throughput(record)) is not None}


def measured_throughput(record: Record) -> float | None:
    """Samples/s of a record that ended well."""
    return record.throughput if record.status == "ok" else None


def throughput_estimate(records: Iterable[Record]) -> Estimate | None:
    """The median throughput of one cell's repeats; None where none ended well."""
    values = [value for record in records if (value := measured_throughput(record)) is not None]
    return intervals.median(values) if values else None


def throughput_ratio(over: Sequence[Record], under: Sequence[Record], sittings: Sittings) -> Estimate | None:
    """Throughput of one cell over that of another; None where either has no repeat that ended well.

    Args:
        sittings: of all records that ran beside these.
    """
    return values_ratio(measured(over, sittings), measured(under, sittings))


def values_ratio(over: dict[PairKey, float], under: dict[PairKey, float]) -> Estimate | None:
    """The ratio over the pairs; where there are none, of the medians and without an interval (`count` is 0)."""
    pairs = [key for key in over if key in under]
    apart = len({key[:2] for key in over} & {key[:2] for key in under}) - len(pairs)
    if pairs:
        return replace(intervals.ratio([over[key] for key in pairs], [under[key] for key in pairs]), apart=apart)
    if not over or not under:
        return None
    value = intervals.median(list(over.values())).value / intervals.median(list(under.values())).value
    return Estimate(value, None, None, 0, intervals.LEVEL, 0.0, apart)


def efficiency(speedup: float, replicas: int) -> float:
    """Speedup over the number of replicas; above IMPLAUSIBLE_EFFICIENCY it is flagged, not printed as a fact."""
    return speedup / replicas
