"""A comparison in figures: for each cell both medians, their ratio, and what may be said of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bench import stats
from bench.columns import column_name
from bench.compare.matching import Match, match
from bench.compare.sources import Source
from bench.compare.unpaired import fewest_unpaired, unpaired_ratio
from bench.disturbances import cell_text, sides_text
from bench.fairness import Diff, diff_places
from bench.plots.caption import counted
from bench.records import Record
from bench.repeats import measured, throughput_estimate
from bench.stats import Estimate
from shared.spec import digest

A, B = "A", "B"


@dataclass(frozen=True)
class Row:
    """One cell of A against one of B."""

    match: Match
    a: Estimate | None  # median throughput, samples/s; None: no repeat ended well
    b: Estimate | None
    ratio: Estimate | None  # of B over A
    paired: bool  # repeats of one run, interleaved; otherwise drift between the runs is not in the interval

    @property
    def least_effect(self) -> float | None:
        """The smallest difference, as a share, that so wide an interval tells from none; None: no interval."""
        if self.ratio is None or self.ratio.interval is None:
            return None
        low, high = self.ratio.interval
        return max(high / self.ratio.value, self.ratio.value / low) - 1

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
                needed = stats.fewest(self.ratio.level)
                return f"no verdict: {counted(self.ratio.count, 'pair')}, {needed} are needed"
            needed = fewest_unpaired(self.ratio.level)
            return f"no verdict: {self.a.count} and {self.b.count} repeats, {needed} of each are needed"
        low, high = self.ratio.interval
        if low > 1 or high < 1:
            return f"{B} is {'faster' if low > 1 else 'slower'}"
        return f"no difference shown (one of {100 * (self.least_effect or 0):.1f} % would have been)"


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
        despite: names of matching.IDENTITY in which cells may differ all the same.

    Raises:
        UserError: nothing in common, or not comparable.
    """
    matches, notes = match(a, b, despite)
    rows = tuple(make_row(each, paired=a.folder == b.folder) for each in matches)
    found = (guarantee_note(rows, [*a.records, *b.records]), *disturbance_notes(matches), *notes)
    return Comparison(a, b, rows, (pairing_note(a, b, matches), *found),
                      fairness_of(matches), environment_diff(a.environment, b.environment))  # fmt: skip


def make_row(cells: Match, paired: bool) -> Row:
    """The figures of one cell.

    Args:
        cells: the repeats of both sides.
        paired: whether repeats with the same number ran one after the other.
    """
    a, b = throughput_estimate(cells.a), throughput_estimate(cells.b)
    if a is None or b is None:
        return Row(cells, a, b, None, paired)
    under, over = measured(cells.a), measured(cells.b)
    if both := [key for key in under if paired and key in over]:
        ratio = stats.ratio([over[key] for key in both], [under[key] for key in both])
        return Row(cells, a, b, ratio, paired=True)
    return Row(cells, a, b, unpaired_ratio(list(over.values()), list(under.values())), paired=False)


def pairing_note(a: Source, b: Source, matches: Sequence[Match]) -> str:
    """Which column was held against which."""
    pairs = dict.fromkeys((column_name(each.a[0]), column_name(each.b[0])) for each in matches)
    words = [f"{ours} with {theirs}" if ours != theirs else f"{ours} with itself" for ours, theirs in pairs]
    return f"{A} is {a.name}, {B} is {b.name}; compared: {', '.join(words)}"


def guarantee_note(rows: Sequence[Row], records: Sequence[Record]) -> str:
    """What the intervals of the ratios hold.

    Args:
        rows: of the comparison.
        records: all there are of both sources.
    """
    if all(row.paired for row in rows):
        note = "ratios are of interleaved repeats of one run: drift of the machine met both sides"
        apart = sum(num_apart(row, records) for row in rows)
        if not apart:
            return note
        return f"{note}, but for {counted(apart, 'pair')} of which one side was run again later (--resume)"
    return (
        "ratios are of two groups measured one after the other: drift of the machine between them is not in the "
        "interval; interleaved repeats (one run, or `bench gate`) give the stronger guarantee"
    )


def disturbance_notes(matches: Sequence[Match]) -> list[str]:
    """For each cell of which a side was disturbed: which side, and by what."""
    lines = []
    for each in matches:
        sides = {A: each.a, B: each.b}
        if which := sides_text(sides):
            causes = [f"{name}: {text}" for name, records in sides.items() if (text := cell_text(records))]
            lines.append(f"{each.columns} at {counted(each.a[0].replicas)}: {which}; {'; '.join(causes)}")
    return lines


def num_apart(row: Row, records: Sequence[Record]) -> int:
    """How many pairs were not measured side by side: between the two a cell of another repeat or size began.

    In a run from beginning to end none does (bench/plan.py: repeats outermost, then replicas); `--resume` runs cells
    that failed after all others. What its records do not show is a pause between the two.
    """
    a, b = ({(record.run_id, record.repeat): record for record in side} for side in (row.match.a, row.match.b))
    count = 0
    for run_id, repeat in measured(a.values()).keys() & measured(b.values()).keys():
        first, last = sorted(began(side[run_id, repeat]) for side in (a, b))
        place = (repeat, row.match.a[0].replicas)
        others = [each for each in records if each.run_id == run_id and (each.repeat, each.replicas) != place]
        count += any(first < began(other) < last for other in others)
    return count


def began(record: Record) -> datetime:
    """When a cell was started."""
    return datetime.fromisoformat(record.started)


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
