"""The answer at the top of a page: who is faster, by how much, how certain; one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.accuracy import tables
from bench.accuracy.results import EQUAL, FRAMEWORK_NAMES, AccuracyRecord, accuracies_on_test, over_splits
from bench.accuracy.statistics import spread
from bench.records.columns import column_name
from bench.records.repeats import Row
from bench.show.captions import capital, counted
from bench.show.table_notes import column_ratios
from bench.statistics import intervals
from bench.statistics.intervals import Estimate

ALIKE = 1.005  # a ratio that is printed as 1.00


def answer(groups: Sequence[Sequence[Row]]) -> str:
    """What a run of `bench run` says of its columns.

    Args:
        groups: the rows of each group of comparable records, the first being the one that is told.
    """
    held = [found for rows in groups if (found := column_ratios(rows))]
    if not held:
        return "One column only: nothing to hold it against."
    first, *others = held
    several = len({row.records[0].arm for pair in first for row in pair[:2]}) > 1
    clauses = [clause(one, other, ratio, several) for one, other, ratio in first]
    more = [f"{counted(len(others), 'further group')} of cells below"] if others else []
    return capital("; ".join([*clauses, *more])) + "."


def clause(first: Row, other: Row, ratio: Estimate, with_arm: bool) -> str:
    """One place of the comparison, in the direction of what is said: the faster one's speed over the slower one's."""
    one, two = (column_name(row.records[0]) for row in (first, other))
    record = first.records[0]
    where = f"at {counted(record.replicas)}" + (f" ({record.arm})" if with_arm else "")
    where += " that share cores" if record.oversubscribed else ""
    faster, slower, way = (two, one, ratio) if ratio.value >= 1 else (one, two, inverse(ratio))
    if way.interval is None:
        pairs = counted(ratio.count, "pair") if ratio.count else "no pairs"
        said = f"{faster} measured {way.value:.2f} times as fast as {slower}" if way.value >= ALIKE else "both alike"
        return f"no verdict {where}: {said}, {pairs} of repeats where {intervals.fewest()} are needed"
    if way.interval[0] > 1:
        return f"{faster} is {intervals.text(way, 2)} times as fast as {slower} {where}"
    return f"no difference shown {where} ({faster} / {slower} {intervals.text(way, 2)})"


def inverse(ratio: Estimate) -> Estimate:
    """The ratio the other way round."""
    low, high = (None, None) if ratio.interval is None else (1 / ratio.interval[1], 1 / ratio.interval[0])
    return replace(ratio, value=1 / ratio.value, low=low, high=high)


def accuracy_answer(records: Sequence[AccuracyRecord]) -> str:
    """What a run of `bench accuracy` says of its frameworks: the medians, and whether a difference is shown."""
    found = list(accuracy_clauses(records))
    return capital("; ".join(found)) + "." if found else "No split ended well: no accuracy."


def accuracy_clauses(records: Sequence[AccuracyRecord]) -> Iterator[str]:
    """A clause a member, with equal weights where it is an ensemble."""
    groups, tests = over_splits(records), tables.framework_tests(records)
    for member, rule in dict.fromkeys((member, rule) for _, member, rule in groups if rule in (None, EQUAL)):
        shares = []
        for framework, name in FRAMEWORK_NAMES.items():
            group = groups.get((framework, member, rule))
            summary = spread(accuracies_on_test(group), group[0].protocol.mean_splits) if group else None
            if summary is not None:
                shares.append(f"{name} {tables.percent(summary.median)} %")
        if shares:
            test = tests.get((member, rule))
            yield f"{member}: {', '.join(shares)}" + (f" (medians; p = {test.p:.3g})" if test else "")
