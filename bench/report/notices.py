"""What must be known before any figure is read: said at the top of the page, never only in a footnote."""

from __future__ import annotations

from collections.abc import Sequence

from bench import fairness, stats
from bench.accuracy.results import AccuracyRecord
from bench.attribution.cells import attribution_runs, tabled
from bench.plots.caption import SYNTHETIC, counted, device
from bench.plots.frame import group_records
from bench.records import Record
from bench.repeats import rows
from bench.report.blocks import Text


def notices(records: Sequence[Record]) -> tuple[Text, ...]:
    """The notices of one run, the gravest first."""
    shown = tabled(records)
    found: list[Text] = []
    failed = [record for record in records if record.status != "ok"]
    if failed:
        found.append(
            Text(f"{counted(len(failed), 'cell')} of {len(records)} did not end well; they are rows below.", "bad")
        )
    diff = fairness.diff(shown)
    if not diff.is_fair:
        found.append(Text(f"Not a fair comparison as it stands: {fairness.verdict_line(diff)}.", "bad"))
    unverified = sum(record.certificate != "verified" for record in records)
    if unverified:
        found.append(
            Text(
                f"Unverified: {unverified} of {counted(len(records), 'cell')}; nothing proves that both sides compute the same.",
                "bad",
            )
        )
    if len(group_records(shown)) > 1:
        found.append(Text("Not all cells are comparable with each other: each group has tables of its own.", "warn"))
    if len({record.arm for record in shown}) > 1:
        found.append(
            Text("Two arms: native runs each framework's own model and is never comparable with matched.", "warn")
        )
    if any(record.data_name == SYNTHETIC for record in records):
        kind = "texts" if records[0].max_tokens else "pages"
        found.append(
            Text(f"Synthetic {kind}: their classes are easy to tell; accuracy says nothing of real documents.", "warn")
        )
    if records[0].device == "cpu":
        found.append(Text(f"{device(records[0])}: what this machine does, not what GPUs do.", "warn"))
    shared = sorted({record.replicas for record in records if record.oversubscribed})
    if shared:
        found.append(
            Text(
                f"Oversubscribed at {', '.join(map(str, shared))} replicas: more replicas than cores, no speedup is claimed.",
                "warn",
            )
        )
    if attribution_runs(records):
        found.append(Text("An attribution: its cells were run to be split, and trained nothing.", ""))
    counts = [row.throughput.count for row in rows(shown) if row.throughput is not None]
    if counts and min(counts) < stats.fewest():
        found.append(
            Text(
                f"{counted(min(counts), 'repeat')} of a cell: no 95 % interval, so no verdict; --repeats {stats.fewest()} gives one.",
                "warn",
            )
        )
    return tuple(found)


def accuracy_notices(records: Sequence[AccuracyRecord]) -> tuple[Text, ...]:
    """The notices of a run of `bench accuracy`."""
    found: list[Text] = []
    failed = [record for record in records if record.status != "ok"]
    if failed:
        found.append(
            Text(f"{counted(len(failed), 'result')} of {len(records)} did not end well; they are rows below.", "bad")
        )
    unverified = sum(record.certificate != "verified" for record in records)
    if unverified:
        found.append(Text(f"Unverified: {unverified} of {counted(len(records), 'result')}.", "bad"))
    if any(record.data_name == SYNTHETIC for record in records):
        found.append(
            Text("Synthetic documents: their classes are easy to tell; accuracy says nothing of real ones.", "warn")
        )
    return tuple(found)
