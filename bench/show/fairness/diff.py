"""The settings of two or more sides, held against each other in every place where both ran the same cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.records import identity
from bench.records.columns import column_name, column_order
from bench.records.record import Record
from bench.show.captions import listed
from bench.show.fairness.reasons import MUST_BE_EQUAL, explain, is_among
from bench.show.fairness.sights import PER_REPEAT, Sight, agree, sights, silent

Verdict = Literal["unfair", "unexplained", "explained", "equal"]
VERDICTS: tuple[Verdict, ...] = ("unfair", "unexplained", "explained", "equal")  # the worst first
MOST_PLACES = 12  # that a line of the diff names; the others are counted
LABEL_FIELDS = ("workload", "preset", "arm", "precision", "input_mode")  # what a place is called after, beside replicas


@dataclass(frozen=True)
class Line:
    """One setting: what each side used, and whether that is as it should be."""

    key: str  # of Record.settings, or one of sights.FIELDS
    values: tuple[tuple[str, str], ...]  # side and its value in words; a side that reports none says so
    verdict: Verdict
    reason: str  # one sentence; empty where the sides are equal
    where: str  # in which places; empty: in all of them


@dataclass(frozen=True)
class Diff:
    """All settings of the sides."""

    sides: tuple[str, ...]  # that reported settings, as they are called in tables
    lines: tuple[Line, ...]  # the worst first, then by name

    def of(self, *verdicts: Verdict) -> tuple[Line, ...]:
        """The lines with one of some verdicts."""
        return tuple(line for line in self.lines if line.verdict in verdicts)

    @property
    def num_equal(self) -> int:
        """Settings that are equal wherever both sides ran."""
        differing = {line.key for line in self.differing}
        return len({line.key for line in self.of("equal")} - differing)

    @property
    def differing(self) -> tuple[Line, ...]:
        """The lines that are not equal."""
        return self.of("unfair", "unexplained", "explained")

    @property
    def is_fair(self) -> bool:
        """Whether every difference is explained; true also where there is nothing to hold against each other."""
        return not self.of("unfair", "unexplained")


def diff(records: Iterable[Record]) -> Diff:
    """Hold the columns of one or more runs against each other, wherever two of them ran the same cell.

    Records without gradient exchange (attribution) are left out: they are held against nothing.
    """
    places: dict[identity.Values, dict[str, list[Record]]] = {}
    for record in sorted(records, key=lambda record: (column_order(record), record.replicas, record.repeat)):
        if record.exchange:
            places.setdefault(identity.place(record), {}).setdefault(column_name(record), []).append(record)
    return diff_places(list(places.values()))


def diff_places(places: Sequence[Mapping[str, Sequence[Record]]]) -> Diff:
    """Hold sides against each other in some places.

    Args:
        places: for each place, side to its repeats there. Repeats of one side are held against each other as well.
    """
    found: dict[tuple[str, tuple[tuple[str, str], ...], Verdict, str], list[int]] = {}
    present: dict[str, set[int]] = {}  # setting to the places that know it
    for index, place in enumerate(places):
        for line in lines_of(place):
            found.setdefault((line.key, line.values, line.verdict, line.reason), []).append(index)
            present.setdefault(line.key, set()).add(index)
    firsts = [next(iter(place.values()))[0] for place in places]
    telling = [field for field in LABEL_FIELDS if len({getattr(first, field) for first in firsts}) > 1]
    lines = [
        Line(*content, "" if set(where) == present[content[0]] else label([places[index] for index in where], telling))
        for content, where in found.items()
    ]
    lines.sort(key=lambda line: (VERDICTS.index(line.verdict), line.key, line.where))
    reporting = dict.fromkeys(side for place in places for side, records in place.items() if sights(side, records))
    return Diff(tuple(reporting), tuple(lines))


def label(some: Sequence[Mapping[str, Sequence[Record]]], telling: Sequence[str]) -> str:
    """What tells some places from the others: their replicas, and whatever else places differ in; of many the first.

    Args:
        telling: the fields of a record that places differ in.
    """
    replicas: dict[str, set[int]] = {}
    for place in some:
        first = next(iter(place.values()))[0]
        words = "".join(f", {getattr(first, field)}" for field in telling)
        replicas.setdefault(words, set()).add(first.replicas)
    texts = [f"at {listed(sorted(counts))}{words}" for words, counts in replicas.items()]
    more = [f"{len(texts) - MOST_PLACES} more"] if len(texts) > MOST_PLACES + 1 else []
    return "; ".join([*texts[:MOST_PLACES], *more] if more else texts)


def lines_of(place: Mapping[str, Sequence[Record]]) -> list[Line]:
    """The settings of one place, by name; of a side that is alone there only those that its repeats differ in.

    A side whose workers reported nothing takes no part.
    """
    sides = {side: found for side, records in place.items() if (found := sights(side, records))}
    arms: set[str] = {record.arm for records in place.values() for record in records}
    schemas = {record.folded_from or record.schema_version for records in place.values() for record in records}
    lines = []
    for key in sorted({key for found in sides.values() for key in found}):
        seen = [found.get(key, silent(side, place[side])) for side, found in sides.items()]
        values = tuple((sight.side, sight.text) for sight in seen)
        verdict, reason = judge(key, seen, arms, schemas)
        if len(seen) > 1 or verdict != "equal":
            lines.append(Line(key, values, verdict, reason, where=""))
    return lines


def judge(key: str, seen: Sequence[Sight], arms: set[str], schemas: set[int]) -> tuple[Verdict, str]:
    """Whether a setting is as it should be in one place, and why not."""
    bad: Verdict = "unfair" if is_among(key, MUST_BE_EQUAL) else "unexplained"
    if varying := [sight.side for sight in seen if len(sight.distinct) > 1 and key not in PER_REPEAT]:
        return bad, f"differs between repeats of {' and of '.join(varying)}"
    if len(seen) == 1 or agree(key, seen):
        return "equal", ""
    if (reason := explain(key, seen, arms)) is not None:
        return "explained", reason
    missing = [sight.side for sight in seen if not sight.reported]
    if not missing:
        return bad, "must be equal" if bad == "unfair" else "no reason is known"
    if len(schemas) > 1:
        return "explained", f"records of an older schema do not have it ({' and '.join(missing)})"
    return "unexplained", f"not reported by {' and '.join(missing)}"
