"""Column against column: the first thing on the page, and what more replicas gain each of them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.columns import column_name
from bench.records.repeats import Row, cell_name
from bench.report.blocks import Bar, Block, Card, Cards, Cell, Notes, Text, Tone, estimated, number, table
from bench.show.captions import counted
from bench.show.table_notes import basis, column_ratios
from bench.show.tables import is_implausible, notes, status_text
from bench.statistics import intervals
from bench.statistics.intervals import Estimate, median_of
from bench.statistics.power import power_text, shown_share


def names(row: Row) -> dict[str, Cell | str]:
    """The columns that every table of rows begins with."""
    first = row.records[0]
    marked = f"{first.replicas} (oversubscribed)" if first.oversubscribed else str(first.replicas)
    return {"framework": column_name(first), "arm": first.arm, "replicas": Cell(marked, first.replicas)}


def status_cell(row: Row) -> Cell:
    """How the repeats of a cell ended."""
    return Cell(status_text(row.records), tone="" if all(each.status == "ok" for each in row.records) else "bad")


def verdict(first: str, other: str, ratio: Estimate) -> tuple[str, Tone]:
    """What the interval of a ratio allows to say, in a sentence.

    Args:
        first, other: the columns' names.
        ratio: of the throughput of the other over that of the first.
    """
    held = f"{intervals.text(ratio, 2)}, {basis(ratio)}"
    if ratio.interval is None:
        faster, slower, times = (other, first, ratio.value) if ratio.value >= 1 else (first, other, 1 / ratio.value)
        said = f"{faster} measured {times:.2f} times as fast as {slower}" if times >= 1.005 else "Both measured alike"
        needed = intervals.fewest(ratio.level)
        return f"{said}; no verdict without {needed} repeats ({other} / {first} {held})", "warn"
    low, high = ratio.interval
    if low > 1 or high < 1:
        faster, slower, times = (other, first, ratio.value) if low > 1 else (first, other, 1 / ratio.value)
        return f"{faster} is {times:.2f} times as fast as {slower} ({other} / {first} {held})", "good"
    return f"No difference shown; {power_text(shown_share(ratio) or 0.0)} ({other} / {first} {held})", ""


def cards(rows: Sequence[Row]) -> Cards:
    """A card a place in which two columns can be held against each other.

    Its bars are the verdict's own ratio, not the two medians of the table below: pairs of repeats and medians over all
    of them may differ, and a page says one thing.
    """
    made = []
    for first, other, ratio in column_ratios(rows):
        longest = max(1.0, ratio.value)
        bars = (
            Bar(column_name(first.records[0]), "1", 1.0 / longest, first.records[0].framework),
            Bar(
                column_name(other.records[0]),
                intervals.text(ratio, 2),
                ratio.value / longest,
                other.records[0].framework,
            ),
        )
        of, to = first.records[0], other.records[0]
        several = len({row.records[0].arm for row in rows}) > 1
        title = (
            counted(of.replicas) + (f", {of.arm}" if several else "") + (", shared cores" if of.oversubscribed else "")
        )
        made.append(Card(title, bars, *verdict(column_name(of), column_name(to), ratio)))
    return Cards(tuple(made))


def throughput_lines(rows: Sequence[Row]) -> list[dict[str, Cell | str]]:
    """A line per cell: its throughput, and that over the first column's."""
    ratios = {id(other): (first, ratio) for first, other, ratio in column_ratios(rows)}
    lines: list[dict[str, Cell | str]] = []
    for row in rows:
        first, ratio = ratios.get(id(row), (None, None))
        good = [record for record in row.records if record.status == "ok"]
        against = Cell("") if first is None else estimated(ratio, 2)
        lines.append(
            names(row)
            | {
                "samples/s": estimated(row.throughput, 2),
                "tokens/s": number(median_of([record.tokens_per_second for record in good]), 0),
                "over the first column": against,
                "repeats": Cell(f"{len(good)} of {len(row.records)}", len(good)),
                "status": status_cell(row),
                "certificate": certificate_cell(row),
            }
        )
    return lines


def comparison(rows: Sequence[Row], name: str) -> list[Block]:
    """The verdicts, and the throughput of every cell.

    Args:
        rows: of one group of comparable records.
        name: of the table.
    """
    found = cards(rows)
    blocks: list[Block] = [found] if found.cards else [Text("One column only: nothing to hold it against.")]
    blocks.append(table(name, "Throughput of every cell, medians over repeats", throughput_lines(rows)))
    blocks.append(Notes(tuple(notes([record for row in rows for record in row.records]))))
    return blocks


def certificate_cell(row: Row) -> Cell:
    """Whether the repeats of a cell were proven to compute what the other side does."""
    unverified = [record for record in row.records if record.certificate != "verified"]
    if not unverified:
        return Cell("verified", tone="good")
    return Cell("unverified" if len(unverified) == len(row.records) else "in part", tone="warn")


def speedup(rows: Sequence[Row], name: str) -> list[Block]:
    """Speedup and efficiency of every cell."""
    lines = []
    for row in rows:
        if row.records[0].oversubscribed:
            remark = "oversubscribed: none claimed"
        elif row.throughput is not None and row.speedup is None:
            remark = "no cell at 1 replica"
        else:
            remark = "above linear: not a fact" if is_implausible(row) else ""
        flagged: Tone = "warn" if is_implausible(row) else ""
        efficiency = estimated(row.efficiency, 2, flagged)
        lines.append(
            names(row) | {"speedup": estimated(row.speedup, 2), "efficiency": efficiency, "remark": Cell(remark)}
        )
    blocks: list[Block] = [
        table(
            name,
            "Speedup: throughput over that at 1 replica of the same column; efficiency: speedup per replica",
            lines,
        )
    ]
    flagged_rows = [cell_name(row, rows) for row in rows if is_implausible(row)]
    if flagged_rows:
        blocks.append(Text(f"Above linear, so not a fact: {', '.join(flagged_rows)}", "warn"))
    return blocks
