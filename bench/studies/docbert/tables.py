"""The study's tables as Markdown: ours with their spread over seeds, published ones only beside the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from bench.records.record import Record
from bench.show import scores
from bench.show.papers import datasets, find, read_papers
from bench.statistics import intervals
from bench.terminal import grids
from shared.frameworks import framework
from shared.store import SPLITS

TEST = SPLITS[-1]


def by_framework(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Key of a framework to its records, by repeat."""
    found: dict[str, list[Record]] = {}
    for record in sorted(records, key=lambda each: (each.framework, each.repeat)):
        found.setdefault(record.framework, []).append(record)
    return found


def spread(values: Sequence[float]) -> str:
    """A median in per cent with its interval over seeds; lowest to highest where there are too few for one.

    >>> spread([0.8, 0.82, 0.81])
    '81.00 (80.00 to 82.00)'
    """
    estimate = intervals.median([100 * value for value in values])
    if estimate.interval is not None:
        return f"{estimate.value:.2f} [{estimate.interval[0]:.2f}, {estimate.interval[1]:.2f}]"
    if len(values) == 1:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({100 * min(values):.2f} to {100 * max(values):.2f})"


def outcome(records: Sequence[Record]) -> str:
    """The headline on the test documents over seeds, or why there is none."""
    values = [value for record in records if (value := record.score(TEST)) is not None]
    failed = [record.status for record in records if record.status != "ok"]
    told = [spread(values)] if values else []
    return ", ".join([*told, f"{len(failed)} failed ({failed[0]})"] if failed else told) or grids.NOTHING


def published(system: str, records: Sequence[Record]) -> str:
    """DocBERT's figure of the same documents, as printed; the mark for nothing where there is none."""
    if not system or not records:
        return grids.NOTHING
    first = records[0]
    metric = f"{TEST} {scores.metric_of(first).title.partition(' ')[0]}"
    for dataset in datasets(first.data_name, first.num_documents):
        with suppress(KeyError):
            row = find(read_papers(), "docbert", system, dataset, metric)
            return f"{row.value} %" if row.spread is None else f"{row.value} ± {row.spread} %"
    return grids.NOTHING


def table2(found: Mapping[str, tuple[str, Sequence[Record]]], linear: Mapping[str, tuple[float, str]]) -> str:
    """A row a system and framework.

    Args:
        found: system to its published name and its records. linear: baselines to their score and their published name.
    """
    every = [record for _, records in found.values() for record in records]
    heading = f"{scores.title(every)} on test, %"
    rows = [
        [name, "scikit-learn", grids.NOTHING, f"{100 * value:.2f}", published(theirs, every)]
        for name, (value, theirs) in linear.items()
    ]
    for name, (theirs, records) in found.items():
        for key, own in by_framework(records).items():
            sizes = {f"{record.num_parameters / 1e6:.2f}" for record in own if record.num_parameters}
            rows.append([name, framework(key).title, "/".join(sorted(sizes)), outcome(own), published(theirs, own)])
    return grids.markdown(("system", "framework", "parameters, millions", heading, "published"), rows)


def difference(over: Sequence[Record], under: Sequence[Record]) -> str:
    """How much more a system scores than another, seed by seed, in points."""
    lines = []
    first, second = by_framework(over), by_framework(under)
    for key in first.keys() & second.keys():
        scored = {record.repeat: record.score(TEST) for record in second[key]}
        pairs = [(record.score(TEST), scored.get(record.repeat)) for record in first[key]]
        values = [100 * (a - b) for a, b in pairs if a is not None and b is not None]
        if values:
            estimate = intervals.median(values)
            bounds = (
                f"[{estimate.low:+.2f}, {estimate.high:+.2f}]"
                if estimate.interval
                else f"({min(values):+.2f} to {max(values):+.2f})"
            )
            lines.append(f"{framework(key).title}: {estimate.value:+.2f} {bounds} points, {len(values)} seeds")
    return "; ".join(sorted(lines)) or grids.NOTHING
