"""Scores as tables and figures show them: the headline of each record's task, whatever the task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bench.records.record import Record
from bench.statistics.intervals import median_of
from bench.terminal.grids import NOTHING
from shared.store import SPLITS
from shared.task import Metric
from shared.tasks import NAMES, task

ANY = "score"  # where records have several headlines


def metric_of(record: Record, name: str | None = None) -> Metric:
    """A score's metric (None: the headline's); of a task that this version does not know, called by its name."""
    name = name or record.headline
    known = task(record.task).metrics if record.task in NAMES else {}
    return known.get(name, Metric(name, bounds=(-math.inf, math.inf)))


def title(records: Iterable[Record]) -> str:
    """The headline that records share, as tables call it; ANY where they have several."""
    titles = dict.fromkeys(metric_of(record).title for record in records)
    return next(iter(titles)) if len(titles) == 1 else ANY


def heading(records: Iterable[Record]) -> str:
    """The heading of a column of `text`: "accuracy train/val/test"."""
    return f"{title(records)} {'/'.join(SPLITS)}"


def text(records: Sequence[Record], shared: str) -> str:
    """The headline on each split after the last stage: medians over repeats; the mark for nothing where none has any.

    Args:
        records: the repeats of one cell.
        shared: the column's `heading`; where it names no headline, the text does.
    """
    if not any(record.scores for record in records):
        return NOTHING
    medians = [median_of([record.score(split) for record in records]) for split in SPLITS]
    words = "/".join(NOTHING if value is None else f"{value:.3f}" for value in medians)
    return words if shared == heading(records) else f"{title(records)} {words}"


def after(records: Iterable[Record], epochs: str) -> str:
    """After what a figure's scores are.

    Args:
        epochs: of the first stage, in words.
    """
    stages = {stage for record in records for stage, splits in record.scores.items() if splits}
    if "finetune" not in stages:
        return f"after {epochs}"
    return f"after {epochs} and the second stage" if "train" in stages else "after the second stage"
