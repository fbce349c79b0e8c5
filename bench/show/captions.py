"""The caption below every figure: on what, how, with which versions and with which proof it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.records.record import Record
from bench.records.repeats import efficiency
from bench.show.disturbances import is_disturbed
from bench.show.groups import Group, Point, Series, is_implausible
from bench.statistics.words import level_text
from shared.frameworks import FRAMEWORKS

SYNTHETIC = "synthetic"
CROSS, RING = "\N{MULTIPLICATION SIGN}", "\N{WHITE CIRCLE}"  # as drawn
# keys of Record.settings under which workers report the versions that decide the numbers
VERSIONS = {key: name for framework in FRAMEWORKS.values() for key, name in framework.versions.items()}


def caption(group: Group) -> list[str]:
    """What a figure must not be shown without, in a line or two; versions and hashes are in the run's report."""
    first = group.first
    arms = sorted({record.arm for record in group.records})
    statements = [
        f"{first.workload} {first.preset}",
        data(first) if first.data_name == SYNTHETIC else f"data: {data(first)}",
        device(first),
        first.precision,
        "" if arms == ["matched"] else f"arm: {' and '.join(arms)}",
        "" if first.input_mode == "disk" else f"input: {first.input_mode}",
        certificate(group.records),
        disturbed(group.records),
    ]
    return [statement for statement in statements if statement]


def data(record: Record) -> str:
    """What the samples are: "synthetic pages", or the name of a store's source."""
    return f"{SYNTHETIC} {record.unit}s" if record.data_name == SYNTHETIC else record.data_name


def device(record: Record) -> str:
    """What one replica is."""
    if record.device == "cuda":
        return f"GPU: {record.device_name}"
    return f"CPU replicas of {counted(record.cores_per_replica or 0, 'core')} ({record.device_name})"


def versions(records: Iterable[Record]) -> str:
    """The frameworks' versions; where records differ, all of them."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for key, name in VERSIONS.items():
            if key in record.settings:
                seen.setdefault(name, set()).add(str(record.settings[key]))
    return ", ".join(f"{name} {'/'.join(sorted(seen[name]))}" for name in VERSIONS.values() if name in seen)


def certificate(records: Iterable[Record]) -> str:
    """Whether the two sides were proven to be the same computation."""
    records = list(records)
    unverified = sum(record.certificate != "verified" for record in records)
    if unverified in (0, len(records)):
        return "unverified (drawn hollow)" if unverified else "verified"
    return f"{unverified} of {len(records)} cells unverified (drawn hollow)"


def disturbed(records: Sequence[Record]) -> str:
    """How many cells something is known to have spoilt; empty where none."""
    good = [record for record in records if record.status == "ok"]
    count = sum(map(is_disturbed, good))
    return f"{count} of {counted(len(good), 'cell')} disturbed" if count else ""


def failure_notes(series: Iterable[Series]) -> list[str]:
    """Every failed cell: how it failed and in how many of its repeats; one note for those that failed alike."""
    alike: dict[tuple[str, str], list[int]] = {}
    for line in series:
        for point in line.failed:
            repeats = len(point.values) + len(point.failures)
            share = f" in {len(point.failures)} of {repeats} repeats" if repeats > 1 else ""
            alike.setdefault((line.label, statuses(point) + share), []).append(point.replicas)
    return [f"{CROSS} {label}, {listed(counts)}: {outcome}" for (label, outcome), counts in alike.items()]


def oversubscription_notes(series: Iterable[Series], withheld: str) -> list[str]:
    """The replica counts that had too few cores, and what is therefore withheld; nothing where there are none."""
    counts = sorted({point.replicas for line in series for point in line.points if point.oversubscribed})
    return [f"{listed(counts)}: oversubscribed, {withheld}"] if counts else []


def spread_notes(mark: str, points: Iterable[Point]) -> list[str]:
    """What the bands or whiskers of a figure show; nothing where no point has two repeats.

    Args:
        mark: "band", "whisker".
    """
    several = [point for point in points if len(point.values) > 1]
    with_interval = [point for point in several if point.estimate.interval is not None]
    if not with_interval:
        return [f"{mark}: from the lowest to the highest repeat"] if several else []
    counts = sorted({point.estimate.count for point in with_interval})
    over = f"{counts[0]} to {counts[-1]} repeats" if len(counts) > 1 else counted(counts[0], "repeat")
    others = "; where they are fewer, from the lowest to the highest" if len(with_interval) < len(several) else ""
    return [f"{mark}: {level_text(point.estimate.level for point in with_interval)} interval over {over}{others}"]


def implausible_notes(label: str, speedups: Iterable[Point]) -> list[str]:
    """One note a speedup that is too good to be printed as a fact."""
    return [
        f"{RING} {label}, {counted(point.replicas)}: efficiency {efficiency(point.centre, point.replicas):.2f}, "
        "above linear: not a fact"
        for point in speedups
        if is_implausible(point)
    ]


def counted(count: int, noun: str = "replica") -> str:
    """1 replica, 2 replicas."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def capital(text: str) -> str:
    """The beginning of a sentence or a title."""
    return text[:1].upper() + text[1:]


def listed(counts: Sequence[int]) -> str:
    """1 replica; 2, 4 and 8 replicas."""
    *others, last = [str(count) for count in counts]
    return (", ".join(others) + " and " if others else "") + (counted(counts[0]) if not others else f"{last} replicas")


def statuses(point: Point) -> str:
    """The different ways in which a cell's repeats failed."""
    return ", ".join(sorted(set(point.failures)))
