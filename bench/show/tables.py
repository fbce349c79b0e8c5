"""The table at the end of a run: on the terminal, as Markdown, as CSV. Made from records alone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.columns import column_name
from bench.records.kinds import tabled
from bench.records.record import Record
from bench.records.repeats import IMPLAUSIBLE_EFFICIENCY, Row, cell_name, rows
from bench.show import fairness, scores
from bench.show.captions import versions
from bench.show.table_notes import disturbance_notes, interval_notes, outlier_notes, ratio_lines
from bench.show.titles import joined, setting, title
from bench.statistics.intervals import Estimate, median_of, text
from bench.statistics.steps import percentile
from bench.terminal import grids
from bench.terminal.csv_files import csv_text
from bench.terminal.grids import NOTHING
from bench.terminal.printable import markdown_text

SCORES = scores.heading([])  # stands for the heading that names the headline
COLUMNS = (
    "framework", "arm", "replicas", "samples/s", "tokens/s", "speedup", "efficiency", "step p50 ms", "step p95 ms",
    "first step s", "peak memory GiB", SCORES, "status", "certificate",
)  # fmt: skip
KEY_COLUMNS = 3  # of a row's cell
TOLD_ONCE = ("arm", "status", "certificate")  # above the table on a terminal, where all rows agree


def number(value: float | None, digits: int) -> str:
    """A number with fixed digits, or the mark for nothing."""
    return NOTHING if value is None else f"{value:.{digits}f}"


def estimated(estimate: Estimate | None, digits: int) -> str:
    """An estimate with its interval, or the mark for nothing."""
    return NOTHING if estimate is None else text(estimate, digits)


def memory_text(records: Sequence[Record]) -> str:
    """Peak of the device allocator where the framework has one, else of the processes' footprint; named apart."""
    for name, values in (
        ("device", [record.memory_allocator_peak for record in records]),
        ("process", [record.memory_rss_peak for record in records]),
    ):
        peak = median_of(values)
        if peak is not None:
            return f"{peak / 2**30:.2f} {name}"
    return NOTHING


def status_text(records: Sequence[Record]) -> str:
    """`ok`, or how many of the repeats ended how."""
    statuses = [record.status for record in records]
    if len(set(statuses)) == 1:
        return statuses[0]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def is_implausible(row: Row) -> bool:
    """Whether an efficiency is above what linear scaling and noise explain."""
    return row.efficiency is not None and row.efficiency.value > IMPLAUSIBLE_EFFICIENCY


def table(found: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Headings (COLUMNS, with the headline where all rows share it), and the text of each row."""
    of_scores = scores.heading(record for row in found for record in row.records)
    headings = [of_scores if name == SCORES else name for name in COLUMNS]
    return headings, [cells_of(row, of_scores) for row in found]


def cells_of(row: Row, of_scores: str) -> list[str]:
    """A row as text, by COLUMNS.

    Args:
        of_scores: the heading of their column (`bench.show.scores`).
    """
    first = row.records[0]
    good = [record for record in row.records if record.status == "ok"]
    steps = [second for record in good for second in record.step_seconds]
    return [
        column_name(first),
        first.arm,
        f"{first.replicas}{' (oversubscribed)' if first.oversubscribed else ''}",
        estimated(row.throughput, 2),
        number(median_of([record.tokens_per_second for record in good]), 0),
        estimated(row.speedup, 2),
        estimated(row.efficiency, 2) + (" (!)" if is_implausible(row) else ""),
        number(percentile(steps, 50) * 1e3 if steps else None, 1),
        number(percentile(steps, 95) * 1e3 if steps else None, 1),
        number(median_of([record.time_to_first_step for record in good]), 1),
        memory_text(good),
        scores.text(good, of_scores),
        status_text(row.records),
        first.certificate,
    ]


def caption(records: Sequence[Record]) -> str:
    """One line: what was compared, how, and what can be looked up."""
    return "; ".join((title(records), setting(records), provenance(records)))


def provenance(records: Sequence[Record]) -> str:
    """One line: versions, and the hashes of spec, data and certificates."""
    certificates = sorted({record.certificate_id or record.certificate for record in records})
    parts = [
        versions(records) or "versions not reported",
        f"spec {joined(record.spec_hash for record in records)}",
        f"data {joined(record.data_digest for record in records)}",
        f"certificate: {joined(certificates)}",
    ]
    return "; ".join(parts)


def notes(records: Sequence[Record]) -> list[str]:
    """What a reader of the table must be told: failures with their logs, implausible figures, shared cores."""
    lines = [f"{r.cell_id}: {r.status}: {r.reason or ''} (log: {r.log})" for r in records if r.status != "ok"]
    found = rows(records)
    lines += [
        f"(!) {cell_name(row, found)}: an efficiency above {IMPLAUSIBLE_EFFICIENCY} is implausible; something else "
        "than the replicas differs from one to many"
        for row in found
        if is_implausible(row)
    ]
    lines += [*disturbance_notes(found), *interval_notes(found), *outlier_notes(found)]
    if found and all(row.throughput is None or row.throughput.count == 1 for row in found):
        lines.append("one repeat decides nothing: no verdict follows from this table")
    if any(record.oversubscribed for record in records):
        lines.append("oversubscribed: more replicas than cores; no speedup is claimed")
    return lines


def markdown(records: Sequence[Record], more: str = "") -> str:
    """The table, column against column, its caption and its notes as Markdown.

    Args:
        more: what stands between them and the settings: an attribution, say.
    """
    records = tabled(records)
    parts = [
        grids.markdown(*table(rows(records))),
        *map(markdown_text, [*ratio_lines(rows(records)), caption(records)]),
    ]
    parts += [f"- {markdown_text(note)}" for note in notes(records)]
    parts += [more] if more else []
    return "\n\n".join([*parts, fairness.markdown(fairness.diff(records))])


def csv(records: Sequence[Record]) -> str:
    """Every record as a line; lists and mappings are left to the records' own files, but each score has a column."""
    import pandas

    lines = []
    for record in records:
        content = record.model_dump(mode="json")
        flat = {key: value for key, value in content.items() if not isinstance(value, list | dict)}
        flat |= {
            f"scores.{stage}.{split}.{metric}": value
            for stage, splits in record.scores.items()
            for split, metrics in splits.items()
            for metric, value in metrics.items()
        }
        lines.append(flat)
    return csv_text(pandas.DataFrame(lines))


def print_table(records: Sequence[Record]) -> None:
    """The table on standard output: what was compared and how above it, ratios, notes and provenance below it."""
    records = tabled(records)
    console, found = grids.stdout(), rows(records)
    grids.say(console, [title(records), setting(records)])
    grids.print_grid(console, *table(found), keys=KEY_COLUMNS, once=TOLD_ONCE)
    grids.say(console, [*ratio_lines(found), *notes(records), provenance(records)])
