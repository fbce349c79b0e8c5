"""What a training takes and what it reaches: first step, steps, projected hours, scores."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.record import STAGES, Record, Stage
from bench.records.repeats import Row
from bench.report.blocks import Block, Cell, Table, Text, estimated, number, table
from bench.report.comparison import names, status_cell
from bench.show.captions import counted
from bench.show.groups import PUBLISHED_EPOCHS, PUBLISHED_PAGES, is_projected, projected_hours
from bench.show.scores import metric_of
from bench.statistics import intervals
from bench.statistics.intervals import Estimate, median_of
from bench.statistics.steps import percentile
from shared.store import SPLITS

STAGE_WORDS = {"train": "", "finetune": "second stage "}


def good_records(row: Row) -> list[Record]:
    """The repeats of a cell that ended well."""
    return [record for record in row.records if record.status == "ok"]


def hours(row: Row) -> Cell:
    """Projected hours of the published job with their interval; nothing of samples of another unit, or shared cores."""
    first = row.records[0]
    if row.throughput is None or not is_projected(first) or first.oversubscribed:
        return Cell("-")
    estimate = row.throughput
    low, high = (None, None) if estimate.interval is None else map(projected_hours, reversed(estimate.interval))
    of_hours = Estimate(projected_hours(estimate.value), low, high, estimate.count, estimate.level, estimate.attainable)
    return estimated(of_hours, 1)


def time(rows: Sequence[Row], name: str) -> list[Block]:
    """First step, steps, warm-up, and the projection."""
    lines = []
    for row in rows:
        good = good_records(row)
        steps = [1e3 * second for record in good for second in record.step_seconds]
        outliers = [intervals.outlying(record.step_seconds) for record in good if record.step_seconds]
        warmups = sorted({record.warmup_steps for record in good if record.warmup_steps is not None})
        restless = sum(record.warmup_stationary is False for record in good)
        lines.append(
            names(row)
            | {
                "first step s": number(median_of([record.time_to_first_step for record in good]), 1),
                "step p50 ms": number(percentile(steps, 50) if steps else None, 1),
                "step p95 ms": number(percentile(steps, 95) if steps else None, 1),
                "steps": number(len(steps) or None, 0),
                "outlier steps": number(sum(each.count for each in outliers) if outliers else None, 0),
                "warm-up steps": Cell(" to ".join(map(str, dict.fromkeys((warmups[0], warmups[-1])))), warmups[0])
                if warmups
                else Cell("-"),
                "still drifting after warm-up": number(restless or None, 0, "warn"),
                "projected hours": hours(row),
            }
        )
    blocks: list[Block] = [table(name, "Time: compilation is in the first step, and in no other figure", lines)]
    if any(hours(row).order is not None for row in rows):
        blocks.append(
            Text(
                f"Projected hours are a projection, not a measurement: {PUBLISHED_EPOCHS} epochs of "
                f"{PUBLISHED_PAGES:,} pages over the measured throughput, start-up and evaluation left out."
            )
        )
    return blocks


def scores(rows: Sequence[Row], name: str) -> Table | None:
    """Every score on each split after each stage, medians over repeats; None where no cell has any."""
    # what there is, each with a record that has it
    found: dict[tuple[Stage, str], Record] = {}
    for record in (record for row in rows for record in row.records):
        for stage, splits in record.scores.items():
            for metric in dict.fromkeys(metric for metrics in splits.values() for metric in metrics):
                found.setdefault((stage, metric), record)
    if not found:
        return None
    lines = []
    for row in rows:
        good = good_records(row)
        cells: dict[str, Cell | str] = {}
        for (stage, metric), example in sorted(found.items(), key=lambda each: STAGES.index(each[0][0])):
            for split in SPLITS:
                values = [record.scores_after(stage).get(split, {}).get(metric) for record in good]
                heading = f"{STAGE_WORDS[stage]}{metric_of(example, metric).title} {split}"
                cells[heading] = number(median_of(values), 3)
        losses = [record.loss_per_epoch[-1] for record in good if record.loss_per_epoch]
        lines.append(names(row) | cells | {"last loss": number(median_of(losses), 4), "status": status_cell(row)})
    epochs = rows[0].records[0].epochs
    return table(name, f"Scores after {counted(epochs, 'epoch')}, medians over repeats", lines)
