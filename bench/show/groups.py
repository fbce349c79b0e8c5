"""Records to what a figure shows: groups of comparable records, series of points, speedups, projected hours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.records import identity
from bench.records.columns import column_name, column_order
from bench.records.record import Record
from bench.records.repeats import IMPLAUSIBLE_EFFICIENCY, efficiency, values_ratio
from bench.records.sittings import PairKey, Sittings
from bench.statistics import intervals
from bench.statistics.intervals import Estimate
from shared.spec import digest

# the published job: 20 epochs (efficientnet-bert-parallel, ICCS 2020, section 4.1) of the 320,000 training pages of
# RVL-CDIP's official split (Harley et al., ICDAR 2015)
PUBLISHED_EPOCHS = 20
PUBLISHED_PAGES = 320_000
PUBLISHED_UNIT = "page"  # whoever trains on anything else projects nothing

MANY_GROUPS = 12  # beyond which nobody looks at them one by one, and drawing all takes minutes
DRAWN_OF_MANY = 4

LONGEST_SLUG = 120  # characters: file systems take names of 255 bytes


@dataclass(frozen=True)
class Point:
    """The repeats of one cell: `values` of those that went well, the statuses of those that did not."""

    replicas: int
    values: tuple[float, ...]
    repeats: tuple[PairKey, ...]  # of each value: equal keys ran side by side
    failures: tuple[str, ...]
    verified: bool  # every repeat with a value is
    oversubscribed: bool
    ratio: Estimate | None = None  # of a speedup: from the pairs, not from `values`

    @property
    def estimate(self) -> Estimate:
        """What the point is drawn at, with its interval."""
        return self.ratio or intervals.median(self.values)

    @property
    def centre(self) -> float:
        return self.estimate.value

    @property
    def low_high(self) -> tuple[float, float]:
        """The interval where there are repeats enough, else the lowest and the highest value."""
        return self.estimate.interval or (min(self.values), max(self.values))

    def scaled(self, scale: Callable[[float], float]) -> Point:
        """The same point in another unit."""
        assert self.ratio is None, self
        return replace(self, values=tuple(scale(value) for value in self.values))


@dataclass(frozen=True)
class Series:
    """One column's arm, its points by ascending replicas."""

    framework: str
    column: str  # the framework, or one of several versions of it
    arm: str
    label: str
    points: tuple[Point, ...]
    order: int = 0  # among the columns of the same framework

    @property
    def key(self) -> str:
        return f"{self.column}-{self.arm}"

    @property
    def measured(self) -> list[Point]:
        """The points with at least one value."""
        return [point for point in self.points if point.values]

    @property
    def scaling(self) -> list[Point]:
        """The measured points whose replicas had cores of their own: what a scaling claim may rest on."""
        return [point for point in self.measured if not point.oversubscribed]

    @property
    def failed(self) -> list[Point]:
        """The points with at least one repeat that failed."""
        return [point for point in self.points if point.failures]


@dataclass(frozen=True)
class Group:
    """Records that may share a figure."""

    records: tuple[Record, ...]

    @property
    def first(self) -> Record:
        return self.records[0]

    @property
    def trains(self) -> bool:
        """Whether scores were asked for."""
        return self.first.epochs > 0 or any(record.scores for record in self.records)

    @property
    def replicas(self) -> list[int]:
        return sorted({record.replicas for record in self.records})

    @property
    def slug(self) -> str:
        """The group in a file's name; the digest at its end keeps apart what the words do not."""
        first = self.first
        words = [first.workload, first.preset, first.device, first.precision, first.input_mode]
        words.append(digest(identity.figure(first))[:8])
        *told, last = [re.sub(r"[^A-Za-z0-9.-]+", "_", word) for word in words]
        return f"{'-'.join(told)[:LONGEST_SLUG]}-{last}"

    def series(self, metric: Callable[[Record], float | None]) -> list[Series]:
        """One series a (column, arm); the label names the arm where the group has more than one.

        Args:
            metric: a record's value; None where it has none.
        """
        ordered = sorted(self.records, key=lambda record: (record.arm, column_order(record)))
        columns: dict[tuple[str, str], list[Record]] = {}
        for record in ordered:
            columns.setdefault((record.arm, record.column), []).append(record)
        arms = {arm for arm, _ in columns}
        of_framework: dict[str, list[str]] = {}  # its columns, in order: whatever the arm, a version looks the same
        for record in sorted(self.records, key=column_order):
            own = of_framework.setdefault(record.framework, [])
            own += [] if record.column in own else [record.column]
        result, sittings = [], Sittings(self.records)
        for (arm, column), records in columns.items():
            first = records[0]
            label = column_name(first) + (f" ({arm})" if len(arms) > 1 else "")
            counts = sorted({record.replicas for record in records})
            points = tuple(make_point([r for r in records if r.replicas == n], metric, sittings) for n in counts)
            order = of_framework[first.framework].index(column)
            result.append(Series(first.framework, column, arm, label, points, order))
        return result


def group_records(records: Iterable[Record]) -> list[Group]:
    """Records by what they must have in common, in the order of their settings.

    Cells that exchanged no gradients are left out: they are half of an attribution, and no training.
    """
    groups: dict[identity.Values, list[Record]] = {}
    for record in (record for record in records if record.exchange):
        groups.setdefault(identity.figure(record), []).append(record)
    return [Group(tuple(groups[key])) for key in sorted(groups, key=repr)]


def drawn_groups(groups: Sequence[Group]) -> Sequence[Group]:
    """The groups that get figures and tables of their own: all of them, or the first where they are very many."""
    return groups if len(groups) <= MANY_GROUPS else groups[:DRAWN_OF_MANY]


def make_point(repeats: Sequence[Record], metric: Callable[[Record], float | None], sittings: Sittings) -> Point:
    """The point of one cell's repeats."""
    measured = [
        (record, value) for record in repeats if record.status == "ok" and (value := metric(record)) is not None
    ]
    return Point(
        replicas=repeats[0].replicas,
        values=tuple(value for _, value in measured),
        repeats=tuple(sittings.key(record) for record, _ in measured),
        failures=tuple(record.status for record in repeats if record.status != "ok"),
        verified=all(record.certificate == "verified" for record, _ in measured),
        oversubscribed=any(record.oversubscribed for record in repeats),
    )


def throughput_of(record: Record) -> float | None:
    """Samples per second."""
    return record.throughput


def speedups(series: Series) -> list[Point]:
    """Throughput over that at one replica of the same series, pair by pair; none without that baseline.

    Oversubscribed points are left out: replicas that share a core cannot scale.
    """
    baseline = next((point for point in series.scaling if point.replicas == 1), None)
    return [speedup_point(point, baseline) for point in series.scaling] if baseline else []


def speedup_point(point: Point, baseline: Point) -> Point:
    """The speedups of the pairs, and what they come to; without pairs of the values over the baseline's median."""
    over = dict(zip(point.repeats, point.values, strict=True))
    under = dict(zip(baseline.repeats, baseline.values, strict=True))
    pairs = {repeat: value / under[repeat] for repeat, value in over.items() if repeat in under}
    values = pairs or {repeat: value / baseline.centre for repeat, value in over.items()}
    ratio = values_ratio(over, under)
    return replace(point, values=tuple(values.values()), repeats=tuple(values), ratio=ratio)


def is_implausible(point: Point) -> bool:
    """Whether a speedup's efficiency is above what linear scaling and noise explain."""
    return efficiency(point.centre, point.replicas) > IMPLAUSIBLE_EFFICIENCY


def is_projected(record: Record) -> bool:
    """Whether the published job is one of such samples."""
    return record.unit == PUBLISHED_UNIT


def projected_hours(throughput: float) -> float:
    """Hours that the published job would take at a throughput in samples/s; start-up and evaluation are not in it."""
    return PUBLISHED_EPOCHS * PUBLISHED_PAGES / throughput / 3600
