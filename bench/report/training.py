"""What a training takes and what it reaches: first step, steps, projected hours, accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from bench.records.record import Record
from bench.records.repeats import Row
from bench.report.blocks import Block, Cell, Table, Text, estimated, number, table
from bench.report.comparison import names, status_cell
from bench.show.groups import PUBLISHED_EPOCHS, PUBLISHED_PAGES, projected_hours
from bench.show.tables import median_of
from bench.statistics import intervals
from bench.statistics.intervals import Estimate
from bench.statistics.steps import percentile

SPLITS = ("train", "val", "test")


def good_records(row: Row) -> list[Record]:
    """The repeats of a cell that ended well."""
    return [record for record in row.records if record.status == "ok"]


def hours(row: Row) -> Cell:
    """Projected hours of the published job with their interval; nothing of texts and of shared cores."""
    first = row.records[0]
    if row.throughput is None or first.max_tokens is not None or first.oversubscribed:
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


def accuracy(rows: Sequence[Row], name: str) -> Table | None:
    """Scores on each split, medians over repeats; None where no cell has any."""
    lines = []
    for row in rows:
        good = good_records(row)
        scores: dict[str, Cell | str] = {}
        for field, label in (("accuracy", ""), ("f1", "F1 "), ("accuracy_finetuned", "second stage ")):
            for split in SPLITS:
                values = [getattr(record, field).get(split) for record in good]
                scores[f"{label}{split}"] = number(median_of(values), 3)
        losses = [record.loss_per_epoch[-1] for record in good if record.loss_per_epoch]
        lines.append(names(row) | scores | {"last loss": number(median_of(losses), 4), "status": status_cell(row)})
    if not any(record.accuracy or record.f1 for row in rows for record in row.records):
        return None
    epochs = rows[0].records[0].epochs
    return table(name, f"Accuracy after {epochs} epochs: shares of documents, medians over repeats", lines)
