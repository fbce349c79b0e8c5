"""A comparison in figures: for each cell both medians, their ratio, and what may be said of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.compare.matching import Match, match
from bench.compare.sources import Source
from bench.compare.unpaired import fewest_unpaired, unpaired_factor, unpaired_ratio
from bench.records.columns import column_name
from bench.records.latency import SizeRow
from bench.records.record import Record
from bench.records.repeats import measured, throughput_estimate, values_ratio
from bench.records.sittings import Sittings, apart_text
from bench.show.captions import counted
from bench.show.disturbances import cell_text, sides_text
from bench.show.fairness import Diff, diff_places
from bench.statistics import intervals
from bench.statistics.intervals import Estimate
from bench.statistics.power import power_text, shown_share
from bench.statistics.words import direction_text, family_notes, level_text
from shared.spec import digest

A, B = "A", "B"


@dataclass(frozen=True)
class Row:
    """One cell of A against one of B."""

    match: Match
    a: Estimate | None  # median throughput, samples/s, or latency, ms; None: no repeat ended well
    b: Estimate | None
    ratio: Estimate | None  # of B over A
    paired: bool  # repeats that ran side by side; otherwise drift between the two is not in the interval
    batch: int | None = None  # samples of a request, where the figures are the median latencies of an inference

    @property
    def least_effect(self) -> float | None:
        """The smallest difference, as a share, that 80 % of new runs as noisy as these show; None: no interval."""
        if self.ratio is None or self.a is None or self.b is None:
            return None
        factor = None if self.paired or self.ratio.interval is None else unpaired_factor(self.b.count, self.a.count)
        return shown_share(self.ratio, factor)

    @property
    def verdict(self) -> str:
        """What the interval of the ratio allows to say."""
        if self.ratio is None or self.a is None or self.b is None:
            return "; ".join(
                f"{name} failed: {', '.join(dict.fromkeys(record.status for record in records))}"
                for name, records, value in ((A, self.match.a, self.a), (B, self.match.b, self.b))
                if value is None
            )
        if self.ratio.interval is None:
            if self.paired:
                needed = intervals.fewest(self.ratio.level)
                return f"no verdict: {counted(self.ratio.count, 'pair')}, {needed} are needed"
            needed = fewest_unpaired(self.ratio.level)
            return f"no verdict: {self.a.count} and {self.b.count} repeats, {needed} of each are needed"
        low, high = self.ratio.interval
        if low > 1 or high < 1:
            return f"{B} is {'faster' if (low > 1) == (self.batch is None) else 'slower'}"
        return f"no difference shown ({power_text(self.least_effect or 0.0)})"


@dataclass(frozen=True)
class Comparison:
    """Two sources, held against each other."""

    a: Source
    b: Source
    rows: tuple[Row, ...]
    notes: tuple[str, ...]  # what has no partner, what guarantee the ratios have
    fairness: tuple[tuple[str, Diff], ...]  # columns compared, and the settings of the two sides
    environment: tuple[tuple[str, str, str], ...] | None  # entry, A, B where they differ; None: one is not known

    @property
    def not_comparable(self) -> str:
        """What differs and should not, in one line; empty where nothing does."""
        texts = dict.fromkeys(each.text for row in self.rows for each in row.match.mismatches)
        return f"NOT COMPARABLE: {'; '.join(texts)}" if texts else ""


def compare(a: Source, b: Source, despite: Collection[str] = ()) -> Comparison:
    """Hold B against A.

    Args:
        a, b: the sources.
        despite: names of identity.ASPECTS in which cells may differ all the same.

    Raises:
        UserError: nothing in common, or not comparable.
    """
    matches, notes = match(a, b, despite)
    sittings = Sittings([*a.records, *b.records]) if a.folder == b.folder else None
    rows = tuple(make_row(each, sittings, batch) for each in matches for batch in batches_of(each))
    found = (*guarantee_notes(rows), *disturbance_notes(matches), *notes)
    return Comparison(a, b, rows, (pairing_note(a, b, matches), *found),
                      fairness_of(matches), environment_diff(a.environment, b.environment))  # fmt: skip


def batches_of(cells: Match) -> list[int | None]:
    """The batch sizes that both sides of an inference were asked for; None of a training, and where there is none."""
    sides = [{each.batch for record in side for each in record.inference} for side in (cells.a, cells.b)]
    return [*sorted(sides[0] & sides[1])] or [None]


def make_row(cells: Match, sittings: Sittings | None, batch: int | None = None) -> Row:
    """The figures of one cell.

    Args:
        cells: the repeats of both sides.
        sittings: which of them ran side by side; None: those of two folders, which never did.
        batch: samples of a request, of an inference.
    """
    known = sittings or Sittings([*cells.a, *cells.b])
    if batch is None:
        a, b = throughput_estimate(cells.a), throughput_estimate(cells.b)
        under, over = measured(cells.a, known), measured(cells.b, known)
    else:
        sides = [SizeRow(side, batch) for side in (cells.a, cells.b)]
        a, b = (side.estimate("p50_ms") for side in sides)
        under, over = (side.values("p50_ms", known) for side in sides)
    if a is None or b is None:
        return Row(cells, a, b, None, sittings is not None, batch)
    ratio = values_ratio(over, under) if sittings else None
    if ratio is not None and ratio.count:
        return Row(cells, a, b, ratio, paired=True, batch=batch)
    apart = 0 if ratio is None else ratio.apart
    unpaired = unpaired_ratio(list(over.values()), list(under.values()))
    return Row(cells, a, b, replace(unpaired, apart=apart), paired=False, batch=batch)


def pairing_note(a: Source, b: Source, matches: Sequence[Match]) -> str:
    """Which column was held against which."""
    pairs = dict.fromkeys((column_name(each.a[0]), column_name(each.b[0])) for each in matches)
    words = [f"{ours} with {theirs}" if ours != theirs else f"{ours} with itself" for ours, theirs in pairs]
    return f"{A} is {a.name}, {B} is {b.name}; compared: {', '.join(words)}"


def guarantee_notes(rows: Sequence[Row]) -> list[str]:
    """What the intervals of the ratios hold, and which repeats are in none."""
    lines = []
    if any(row.paired for row in rows):
        lines.append("ratios are of interleaved repeats of one run: drift of the machine met both sides")
    if not all(row.paired for row in rows):
        some = "those marked unpaired are" if lines else "ratios are"
        lines.append(
            f"{some} of two groups measured one after the other: drift of the machine between them is not in the "
            "interval; interleaved repeats (one run, or `bench gate`) give the stronger guarantee"
        )
    if levels := [row.ratio.level for row in rows if row.ratio is not None and row.ratio.interval is not None]:
        lines.append(f"{B} / {A} [low, high]: {level_text(levels)} intervals, two-sided; {direction_text(levels)}")
        lines += family_notes(levels)
    if apart := sum(row.ratio.apart for row in rows if row.ratio is not None):
        lines.append(apart_text(apart))
    return lines


def disturbance_notes(matches: Sequence[Match]) -> list[str]:
    """For each cell of which a side was disturbed: which side, and by what."""
    lines = []
    for each in matches:
        sides = {A: each.a, B: each.b}
        if which := sides_text(sides):
            causes = [f"{name}: {text}" for name, records in sides.items() if (text := cell_text(records))]
            lines.append(f"{each.columns} at {counted(each.a[0].replicas)}: {which}; {'; '.join(causes)}")
    return lines


def fairness_of(matches: Sequence[Match]) -> tuple[tuple[str, Diff], ...]:
    """The settings of both sides, for each pair of columns."""
    groups: dict[str, list[dict[str, Sequence[Record]]]] = {}
    for each in matches:
        names = [column_name(side[0]) for side in (each.a, each.b)]
        ours, theirs = (A, B) if names[0] == names[1] else (f"{A}: {names[0]}", f"{B}: {names[1]}")
        groups.setdefault(each.columns, []).append({ours: each.a, theirs: each.b})
    return tuple((columns, diff_places(places)) for columns, places in groups.items())


def environment_diff(a: dict[str, Any] | None, b: dict[str, Any] | None) -> tuple[tuple[str, str, str], ...] | None:
    """Entries of two environments that differ: hardware, driver, system, packages, revision."""
    if a is None or b is None:
        return None
    first, second = flat(a), flat(b)
    keys = [key for key in dict.fromkeys([*first, *second]) if digest(first.get(key)) != digest(second.get(key))]
    return tuple((key, str(first.get(key, "-")), str(second.get(key, "-"))) for key in keys)


def flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A mapping of mappings with dotted names."""
    result: dict[str, Any] = {}
    for key, value in content.items():
        result |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result
