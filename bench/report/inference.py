"""What an inference took: latency and throughput of every cell at every batch size."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.columns import column_name
from bench.records.latency import SizeRow, size_ratios, size_rows
from bench.records.record import Record
from bench.report.blocks import Block, Cell, Notes, Text, estimated, number, table
from bench.show import inference
from bench.show.captions import capital, counted
from bench.show.groups import Group
from bench.show.tables import caption, status_text
from bench.statistics import intervals
from bench.statistics.intervals import median_of

GIB = 2**30


def latency(group: Group, name: str) -> list[Block]:
    """Ratios, figure, table and remarks of one group of comparable records.

    Args:
        name: of the table.
    """
    from bench.report.pictures import picture
    from bench.show.figures.latency import latency_figure

    rows = size_rows(group.records)
    blocks: list[Block] = [Text(f"{capital(line)}.") for line in inference.ratio_lines(rows)]
    label = f"Latency and throughput against the batch size; {caption(group.records)}"
    blocks.append(picture(latency_figure(group), f"{name}-figure", label))
    blocks.append(table(name, "Latency and throughput of every cell, medians over repeats", list(map(line_of, rows))))
    return [*blocks, Notes((inference.widths_line(group.records), *inference.notes(rows)))]


def line_of(row: SizeRow) -> dict[str, Cell | str]:
    """A row of the table."""
    first, found = row.records[0], row.found
    good = all(record.status == "ok" for record in row.records)
    return {
        "framework": column_name(first),
        "arm": first.arm,
        "replicas": Cell(str(first.replicas), first.replicas),
        "batch": Cell("-") if row.batch is None else Cell(str(row.batch), row.batch),
        "p50 ms": estimated(row.estimate("p50_ms"), 2),
        "p95 ms": estimated(row.estimate("p95_ms"), 2),
        "p99 ms": estimated(row.estimate("p99_ms"), 2),
        "samples/s": estimated(row.estimate("samples_per_second"), 1),
        "first call ms": number(median_of([each.first_ms for each in found]), 1),
        "preparation ms": number(median_of([each.prepare_ms for each in found]), 2),
        "end to end p50 ms": estimated(row.estimate("whole_p50_ms"), 2),
        "end to end p95 ms": estimated(row.estimate("whole_p95_ms"), 2),
        "end to end p99 ms": estimated(row.estimate("whole_p99_ms"), 2),
        "device memory GiB": number(gib([each.allocator_peak for each in found]), 2),
        "process memory GiB": number(gib([each.rss_peak for each in found]), 2),
        "calls": number(median_of([float(each.calls) for each in found]), 0),
        "status": Cell(status_text(row.records), tone="" if good else "bad"),
        "reason": row.reason or "",
    }


def gib(sizes: Sequence[int | None]) -> float | None:
    """The median of what is known, in GiB."""
    found = median_of([None if size is None else float(size) for size in sizes])
    return None if found is None else found / GIB


def answer(records: Sequence[Record]) -> str:
    """What an inference says of its columns: the smallest and the largest request of the first place."""
    ratios = size_ratios(size_rows(records))
    if not ratios:
        return "One column only: nothing to hold it against."
    said = []
    for first, other, ratio in (ratios[0], ratios[-1]) if len(ratios) > 1 else ratios:
        one, two = (column_name(row.records[0]) for row in (first, other))
        where = f"at batch {first.batch} and {counted(first.records[0].replicas)}"
        verdict = "no verdict" if ratio.interval is None else "shown" if abs_shown(ratio) else "no difference shown"
        said.append(f"{two}'s median latency {where} is {intervals.text(ratio, 2)} of {one}'s ({verdict})")
    return capital("; ".join(said)) + "."


def abs_shown(ratio: intervals.Estimate) -> bool:
    """Whether a ratio's interval leaves 1 out."""
    return ratio.interval is not None and not ratio.interval[0] <= 1 <= ratio.interval[1]
