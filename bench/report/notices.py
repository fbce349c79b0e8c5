"""What must be known before any figure is read: said at the top of the page, never only in a footnote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.accuracy.results import AccuracyRecord
from bench.records.kinds import attributions, tabled
from bench.records.record import Record
from bench.records.repeats import cell_name, rows
from bench.report.blocks import Text
from bench.show import fairness
from bench.show.captions import SYNTHETIC, counted, device, listed
from bench.show.disturbances import cell_text, is_disturbed
from bench.show.groups import group_records
from bench.statistics import intervals

NAMED = 3  # disturbed cells at the top of a page; the others are named below


def notices(records: Sequence[Record]) -> tuple[Text, ...]:
    """The notices of one run, the gravest first."""
    return (*map(bad, grave(records)), *map(warn, limits(records)))


def bad(text: str) -> Text:
    """Something that is wrong."""
    return Text(text, "bad")


def warn(text: str) -> Text:
    """Something that limits what the figures say."""
    return Text(text, "warn")


def grave(records: Sequence[Record]) -> Iterator[str]:
    """What takes a comparison its worth."""
    whole = counted(len(records), "cell")
    if failed := [record for record in records if record.status != "ok"]:
        yield f"{len(failed)} of {whole} did not end well; failed cells are rows below."
    if disturbed := sum(is_disturbed(record) for record in records if record.status == "ok"):
        cells = rows(records)
        told = [f"{cell_name(row, cells)}: {text}" for row in cells if (text := cell_text(row.records))]
        more = [f"{counted(len(told) - NAMED, 'more cell')}, under the tables below"] if len(told) > NAMED else []
        yield f"Disturbed: {disturbed} of {whole}. {'; '.join(told[:NAMED] + more)}."
    diff = fairness.diff(tabled(records))
    if not diff.is_fair:
        yield f"Not a fair comparison as it stands: {fairness.verdict_line(diff)}."
    if unverified := sum(record.certificate != "verified" for record in records):
        yield f"Unverified: {unverified} of {whole}; nothing proves that both sides compute the same."


def limits(records: Sequence[Record]) -> Iterator[str]:
    """What the figures were measured on, and what they can therefore not say."""
    shown, first = tabled(records), records[0]
    if len(group_records(shown)) > 1:
        yield "Not all cells are comparable with each other: each group has tables of its own."
    if len({record.arm for record in shown}) > 1:
        yield "Two arms: native runs each framework's own model and is not comparable with matched."
    if any(record.data_name == SYNTHETIC for record in records):
        yield f"Synthetic {first.unit}s: their classes are easy to tell; scores say nothing of real documents."
    if first.device == "cpu":
        yield f"{device(first)}: what this machine does, not what GPUs do."
    if shared := sorted({record.replicas for record in records if record.oversubscribed}):
        yield f"Oversubscribed at {listed(shared)}: more replicas than cores, no speedup is claimed."
    if attributions(records):
        yield "An attribution: its cells were run to be split, and trained nothing."
    counts = [row.throughput.count for row in rows(shown) if row.throughput is not None]
    if counts and min(counts) < intervals.fewest():
        few = counted(min(counts), "repeat")
        yield f"{few} of a cell: no interval, so no verdict; --repeats {intervals.fewest()} gives one."


def accuracy_notices(records: Sequence[AccuracyRecord]) -> tuple[Text, ...]:
    """The notices of a run of `bench accuracy`."""
    found: list[Text] = []
    whole = counted(len(records), "result")
    if failed := sum(record.status != "ok" for record in records):
        found.append(bad(f"{failed} of {whole} did not end well; failed results are rows below."))
    if unverified := sum(record.certificate != "verified" for record in records):
        found.append(bad(f"Unverified: {unverified} of {whole}; nothing proves that both sides compute the same."))
    if any(record.data_name == SYNTHETIC for record in records):
        found.append(warn("Synthetic documents: their classes are easy to tell; accuracy says nothing of real ones."))
    return tuple(found)
