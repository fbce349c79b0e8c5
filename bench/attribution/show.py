"""An attribution as Markdown, as CSV and on the terminal; made from records alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.attribution.gap import NAMES, Gap, gaps, milliseconds, percent, sentence
from bench.attribution.split import BESIDE, PARTS, STEP, Split, attribute
from bench.host.files import write_atomically
from bench.records.kinds import attributions
from bench.records.record import Record
from bench.records.sittings import apart_text
from bench.show.captions import counted, device, versions
from bench.statistics import intervals
from bench.statistics.words import level_text
from bench.terminal import grids
from bench.terminal.csv_files import csv_text
from bench.terminal.printable import markdown_text

MARKDOWN, CSV = "attribution.md", "attribution.csv"
Table = list[list[str]]  # the first line is the head


def split_table(splits: Sequence[Split]) -> Table:
    """The parts of a step, a column a framework and number of replicas; milliseconds."""
    lines = [["ms per step", *(f"{split.name}, {counted(split.replicas)}" for split in splits)]]
    lines += [[NAMES[part], *(part_text(split, part, split.parts[part]) for split in splits)] for part in PARTS]
    lines.append([NAMES[STEP], *(milliseconds(split.step) for split in splits)])
    lines.append(["unexplained, of the step", *(percent(split.unexplained_share) for split in splits)])
    lines += [[f"beside: {NAMES[part]}", *(milliseconds(split.beside[part]) for split in splits)] for part in BESIDE]
    return lines


def part_text(split: Split, part: str, estimate: intervals.Estimate, signed: bool = False) -> str:
    """A part in milliseconds; at one replica there is no exchange."""
    return "-" if part == "exchange" and split.replicas == 1 else milliseconds(estimate, signed)


def gap_table(found: Sequence[Gap]) -> Table:
    """How much longer each part is in one column than in another; milliseconds."""
    heads = [f"{gap.other.name} - {gap.first.name}, {counted(gap.first.replicas)}" for gap in found]
    lines = [["ms per step", *heads]]
    lines += [[NAMES[part], *(part_text(gap.first, part, gap.parts[part], True) for gap in found)] for part in PARTS]
    return [*lines, [NAMES[STEP], *(milliseconds(gap.step, signed=True) for gap in found)]]


def notes(records: Sequence[Record], splits: Sequence[Split], found: Sequence[Gap]) -> list[str]:
    """What a reader must be told: how it was measured, what is left unexplained, what failed."""
    first = splits[0].records[0] if splits else records[0]
    taken = any(record.turn_seconds for record in records)
    how = "the cells of a repeat took turns on the machine" if taken else "cells ran one after another"
    lines = [
        f"{first.workload} ({first.preset}), batch {first.batch_per_replica} per replica, {first.data_name}, "
        f"{device(first)}, {first.precision}, {versions(records) or 'versions not reported'}; {how}",
        "input wait: what the whole pipeline costs a step beside one resident batch, less the copy; gradient exchange: "
        "what the backward pass does not hide; framework overhead: the same operations on the smallest batch",
        "beside: reading and assembling make up input wait and copy together; waited: how long the step stood before "
        "its batch, which is not all that the input costs",
        "a step is the whole window over its steps, as in the table of throughputs; the typical step decides nothing; "
        "differences are of pairs and shares medians over the repeats, so neither has to add up to the last digit",
    ]
    counts = sorted({len(split.repeats) for split in splits})
    if levels := [split.step.level for split in splits if split.step.interval is not None]:
        levels += [gap.step.level for gap in found if gap.step.interval is not None]
        lines.append(f"[low, high]: {level_text(levels)} interval over repeats, each in fresh processes")
    lines += [
        f"{gap.other.name} - {gap.first.name}, {counted(gap.first.replicas)}: {apart_text(gap.apart)}"
        for gap in found
        if gap.apart
    ]
    if counts and counts[0] < intervals.fewest():
        lines.append(f"{counted(counts[0], 'repeat')}: no interval; {intervals.fewest()} give one")
    lines += [
        f"(!) {split.name} at {counted(split.replicas)}: {percent(split.unexplained_share)} of the step is "
        "unexplained: its parts by themselves do not add up to it"
        for split in splits
        if not split.is_explained
    ]
    lines += [f"{r.cell_id}: {r.status}: {r.reason or ''} (log: {r.log})" for r in records if r.status != "ok"]
    return lines


def markdown(records: Sequence[Record]) -> str:
    """The sentence, the tables and the notes; empty where no record is of an attribution."""
    records = attributions(records)
    if not records:
        return ""
    splits = attribute(records)
    found = gaps(splits)
    parts = ["## Where the time goes", *(markdown_text(sentence(gap)) for gap in found)]
    parts += [as_markdown(table) for table, there in tables_of(splits, found) if there]
    if not splits:
        parts.append("No repeat is complete: nothing to split.")
    return "\n\n".join([*parts, "\n".join(f"- {markdown_text(note)}" for note in notes(records, splits, found))]) + "\n"


def tables_of(splits: Sequence[Split], found: Sequence[Gap]) -> list[tuple[Table, bool]]:
    """Both tables, and whether there is anything in them."""
    return [(split_table(splits), bool(splits)), (gap_table(found), bool(found))]


def as_markdown(table: Table) -> str:
    """A table in Markdown, its figures to the right."""
    head, *body = table
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in [head, rule, *([*map(markdown_text, row)] for row in body)]
    )


def csv(records: Sequence[Record]) -> str:
    """One line a figure: what, of which column, replicas, part, milliseconds with their interval, repeats."""
    import pandas

    lines = []
    splits = attribute(records)
    for split in splits:
        figures = {STEP: split.step, **split.parts, **split.beside}
        lines += [figure_line("split", split.records[0].column, split, part, figures[part]) for part in figures]
    for gap in gaps(splits):
        name = f"{gap.other.records[0].column} - {gap.first.records[0].column}"
        figures = {STEP: gap.step, **gap.parts}
        lines += [figure_line("gap", name, gap.first, part, figures[part]) for part in figures]
    columns = ["kind", "column", "replicas", "workload", "part", "ms", "low", "high", "repeats"]
    return csv_text(pandas.DataFrame(lines, columns=columns))


def figure_line(kind: str, column: str, split: Split, part: str, estimate: intervals.Estimate) -> dict[str, object]:
    """A line of the CSV."""
    low, high = (None, None) if estimate.interval is None else (1e3 * bound for bound in estimate.interval)
    settings = {"kind": kind, "column": column, "replicas": split.replicas, "workload": split.records[0].workload}
    return settings | {"part": part, "ms": 1e3 * estimate.value, "low": low, "high": high, "repeats": estimate.count}


def write(directory: Path, records: Sequence[Record]) -> list[Path]:
    """Leave both files in a run's directory, where it is an attribution."""
    if not attributions(records):
        return []
    contents = {MARKDOWN: markdown(records), CSV: csv(records)}
    for name, content in contents.items():
        write_atomically(directory / name, content)
    return [directory / name for name in contents]


def print_attribution(records: Sequence[Record]) -> None:
    """The tables, the sentence and the notes on standard output; nothing where no record is of an attribution."""
    own = attributions(records)
    splits = attribute(own)
    found, console = gaps(splits), grids.stdout()
    for (head, *body), there in tables_of(splits, found):
        if there:
            grids.print_grid(console, head, body)
    grids.say(console, [*(sentence(gap) for gap in found), *(notes(own, splits, found) if own else [])])
