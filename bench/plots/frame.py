"""Records to what a figure shows: groups of comparable records, series of points, speedups, projected hours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.records import Record
from bench.summary import IMPLAUSIBLE_EFFICIENCY, efficiency, speedup
from shared.spec import digest

# the published job: 20 epochs (efficientnet-bert-parallel, ICCS 2020, section 4.1) of the 320,000 training pages of
# RVL-CDIP's official split (Harley et al., ICDAR 2015)
PUBLISHED_EPOCHS = 20
PUBLISHED_PAGES = 320_000

# records that differ in one of these never share a figure
GROUP_FIELDS = (
    "workload",
    "preset",
    "spec_hash",
    "device",
    "device_name",
    "cores_per_replica",
    "precision",
    "input_mode",
    "epochs",
    "data_digest",
)
FRAMEWORK_NAMES = {"pt": "PyTorch", "tf": "TensorFlow"}


@dataclass(frozen=True)
class Point:
    """The repeats of one cell: `values` of those that went well, the statuses of those that did not."""

    replicas: int
    values: tuple[float, ...]
    failures: tuple[str, ...]
    verified: bool  # every repeat with a value is
    oversubscribed: bool

    @property
    def median(self) -> float:
        return median(self.values)

    def scaled(self, scale: Callable[[float], float]) -> Point:
        """The same point in another unit."""
        values = tuple(scale(value) for value in self.values)
        return Point(self.replicas, values, self.failures, self.verified, self.oversubscribed)


@dataclass(frozen=True)
class Series:
    """One framework's arm, its points by ascending replicas."""

    framework: str
    arm: str
    label: str
    points: tuple[Point, ...]

    @property
    def key(self) -> str:
        return f"{self.framework}-{self.arm}"

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
        """Whether accuracy was asked for."""
        return self.first.epochs > 0 or any(record.accuracy for record in self.records)

    @property
    def replicas(self) -> list[int]:
        return sorted({record.replicas for record in self.records})

    @property
    def slug(self) -> str:
        """The group in a file's name; the digest at its end keeps apart what the words do not."""
        first = self.first
        words = [first.workload, first.preset, first.device, first.precision, first.input_mode]
        words.append(digest(group_key(first))[:8])
        return re.sub(r"[^A-Za-z0-9.-]+", "_", "-".join(words))

    def series(self, metric: Callable[[Record], float | None]) -> list[Series]:
        """One series a (framework, arm); the label names the arm where the group has more than one.

        Args:
            metric: a record's value; None where it has none.
        """
        keys = sorted({(record.arm, record.framework) for record in self.records})
        arms = {arm for arm, _ in keys}
        result = []
        for arm, framework in keys:
            own = [record for record in self.records if (record.arm, record.framework) == (arm, framework)]
            label = FRAMEWORK_NAMES[framework] + (f" ({arm})" if len(arms) > 1 else "")
            counts = sorted({record.replicas for record in own})
            points = tuple(make_point([r for r in own if r.replicas == count], metric) for count in counts)
            result.append(Series(framework, arm, label, points))
        return result


def group_key(record: Record) -> list[object]:
    """What a record must have in common with another to share a figure with it."""
    return [getattr(record, field) for field in GROUP_FIELDS]


def group_records(records: Iterable[Record]) -> list[Group]:
    """Records by what they must have in common, in the order of their settings."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(repr(group_key(record)), []).append(record)
    return [Group(tuple(groups[key])) for key in sorted(groups)]


def make_point(repeats: Sequence[Record], metric: Callable[[Record], float | None]) -> Point:
    """The point of one cell's repeats."""
    measured = [
        (record, value) for record in repeats if record.status == "ok" and (value := metric(record)) is not None
    ]
    return Point(
        replicas=repeats[0].replicas,
        values=tuple(value for _, value in measured),
        failures=tuple(record.status for record in repeats if record.status != "ok"),
        verified=all(record.certificate == "verified" for record, _ in measured),
        oversubscribed=any(record.oversubscribed for record in repeats),
    )


def throughput_of(record: Record) -> float | None:
    """Samples a second."""
    return record.throughput


def speedups(series: Series) -> list[Point]:
    """Throughput over the median throughput at one replica of the same series; none without that baseline.

    Oversubscribed points are left out: replicas that share a core cannot scale.
    """
    baseline = [point.median for point in series.scaling if point.replicas == 1]
    return [point.scaled(lambda value: speedup(value, baseline[0])) for point in series.scaling] if baseline else []


def is_implausible(point: Point) -> bool:
    """Whether a speedup's median efficiency is above what linear scaling and noise explain."""
    return efficiency(point.median, point.replicas) > IMPLAUSIBLE_EFFICIENCY


def projected_hours(throughput: float) -> float:
    """Hours that the published job would take at a throughput in samples/s; start-up and evaluation are not in it."""
    return PUBLISHED_EPOCHS * PUBLISHED_PAGES / throughput / 3600
