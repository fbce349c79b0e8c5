"""The table at the end of an inference: a row per cell and batch size. Made from records alone."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.columns import column_name
from bench.records.kinds import inferences
from bench.records.latency import Figure, SizeRow, size_ratios, size_rows
from bench.records.record import Record
from bench.show import fairness
from bench.show.captions import counted
from bench.show.disturbances import cell_text
from bench.show.table_notes import basis
from bench.show.tables import estimated, number, provenance, status_text
from bench.show.titles import joined, setting, title
from bench.statistics import intervals
from bench.statistics.intervals import median_of
from bench.statistics.words import level_text
from bench.terminal import grids
from bench.terminal.grids import NOTHING
from bench.terminal.printable import markdown_text

HEADINGS = (
    "framework", "arm", "replicas", "batch", "p50 ms", "p95 ms", "p99 ms", "samples/s", "first call ms", "prepare ms",
    "end to end p50 ms", "peak memory GiB", "status", "certificate",
)  # fmt: skip
KEY_COLUMNS = 4  # of a row
TOLD_ONCE = ("arm", "replicas", "status", "certificate")
FEW_CALLS = 100  # below it the 99th percentile lies between the two slowest


def figure_text(row: SizeRow, figure: Figure) -> str:
    """The median of a figure in ms with its interval, to three digits or so."""
    found = row.estimate(figure)
    digits = 3 if found is not None and found.value < 1 else 2 if found is not None and found.value < 100 else 1
    return estimated(found, digits)


def memory(row: SizeRow) -> str:
    """Peak of the device allocator at this batch size, else of the processes up to it."""
    for name, figure in (("device", "allocator_peak"), ("process", "rss_peak")):
        peak = median_of([getattr(each, figure) for each in row.found])
        if peak is not None:
            return f"{peak / 2**30:.2f} {name}"
    return NOTHING


def cells_of(row: SizeRow) -> list[str]:
    """A row as text, by HEADINGS."""
    first = row.records[0]
    throughput = row.estimate("samples_per_second")
    status = status_text(row.records)
    return [
        column_name(first),
        first.arm,
        f"{first.replicas}{' (oversubscribed)' if first.oversubscribed else ''}",
        NOTHING if row.batch is None else str(row.batch),
        *(figure_text(row, figure) for figure in ("p50_ms", "p95_ms", "p99_ms")),
        estimated(throughput, 1),
        number(median_of([each.first_ms for each in row.found]), 1),
        number(median_of([each.prepare_ms for each in row.found]), 2),
        figure_text(row, "whole_p50_ms"),
        memory(row),
        "not timed" if status == "ok" and row.reason else status,
        first.certificate,
    ]


def ratio_lines(rows: Sequence[SizeRow]) -> list[str]:
    """The median latency of each column over that of the first, at each batch size."""
    return [
        f"{column_name(other.records[0])} / {column_name(first.records[0])} at {counted(first.records[0].replicas)}, "
        f"batch {first.batch}: p50 {intervals.text(ratio, 2)}, {basis(ratio)}"
        for first, other, ratio in size_ratios(rows)
    ]


def notes(rows: Sequence[SizeRow]) -> list[str]:
    """What a reader of the table must be told."""
    lines = list(
        dict.fromkeys(
            f"{record.cell_id}: {record.status}: {record.reason or ''} (log: {record.log})"
            for row in rows
            for record in row.records
            if record.status != "ok"
        )
    )
    for row in rows:
        name = f"{column_name(row.records[0])} at batch {row.batch}"
        if row.reason and any(record.status == "ok" for record in row.records):
            lines.append(f"{name}: {row.reason}; larger ones were not tried")
        if any(each.stationary is False for each in row.found):
            lines.append(f"{name}: the calls' time did not stand still before they were timed")
    known = {record.cell_id: record for row in rows for record in row.records}.values()
    lines += [f"{column_name(record)}: {text}" for record in known if (text := cell_text([record]))]
    differences = [(record, record.settings.get("onnx.logits_difference")) for record in known]
    lines += [
        f"{record.cell_id}: its logits are the framework's within {value:.1e} of the largest"
        for record, value in differences
        if isinstance(value, float)
    ]
    calls = [each.calls for row in rows for each in row.found if each.calls]
    if calls and min(calls) < FEW_CALLS:
        counts = " to ".join(dict.fromkeys((str(min(calls)), str(max(calls)))))
        lines.append(f"{counts} calls each: of fewer than {FEW_CALLS} p99 is one of the slowest two")
    levels = [each.level for row in rows if (each := row.estimate("p50_ms")) is not None and each.interval is not None]
    if levels:
        lines.append(f"[low, high]: {level_text(levels)} interval over processes, two-sided")
    elif rows:
        lines.append(f"no intervals: they take {intervals.fewest()} repeats or more (--repeats)")
    if all(each.prepare_ms is None for row in rows for each in row.found):
        lines.append("preparation of the input was not timed: it cannot be made anew from what the store holds")
    return lines


def widths_line(records: Sequence[Record]) -> str:
    """How requests were made."""
    widths = sorted({width for record in records for each in record.inference for width in each.widths if width})
    wide = f", {joined(map(str, widths))} tokens wide" if widths else ""
    return f"requests: documents of the test split in its order{wide}; a call ends with its logits on the host"


def markdown(records: Sequence[Record]) -> str:
    """The table, column against column, its notes and the settings, as Markdown."""
    records = inferences(records)
    rows = size_rows(records)
    below = [*ratio_lines(rows), f"{title(records)}; {setting(records)}; {widths_line(records)}; {provenance(records)}"]
    parts = [grids.markdown(HEADINGS, list(map(cells_of, rows))), *map(markdown_text, below)]
    parts += [f"- {markdown_text(note)}" for note in notes(rows)]
    return "\n\n".join([*parts, fairness.markdown(fairness.diff(records))])


def print_table(records: Sequence[Record]) -> None:
    """The table on standard output."""
    records = inferences(records)
    console, rows = grids.stdout(), size_rows(records)
    grids.say(console, [f"inference: {title(records)}", setting(records), widths_line(records)])
    grids.print_grid(console, HEADINGS, list(map(cells_of, rows)), keys=KEY_COLUMNS, once=TOLD_ONCE)
    grids.say(console, [*ratio_lines(rows), *notes(rows), provenance(records)])
