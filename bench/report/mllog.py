"""MLPerf-style log lines of a run, for tools that read those: `:::MLLOG {json}`.

The format is that of MLCommons' `mlperf_logging` (github.com/mlcommons/logging, mlperf_logging/mllog/mllog.py: the
template and the order of the fields; mlperf_logging/mllog/constants.py: event types and keys). `tracked_stats` is the
key under which the training rules (github.com/mlcommons/training_policies) have throughput logged, in samples/s.
A score is logged as `eval_` and its name: `eval_accuracy` is MLPerf's, the others are ours.

A cell is a namespace. These are no MLPerf results: the workloads are not MLPerf's, and nobody has reviewed them; so
`submission_benchmark` is ours and no line names a division or an organisation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.records.record import Record
from bench.report.sources import Run
from shared.errors import UserError
from shared.events import Epoch, Evaluation, Phase, of_kind, read_events
from shared.outside import OutsideError, inside

POINT, START, END = "POINT_IN_TIME", "INTERVAL_START", "INTERVAL_END"
SUCCESS, ABORTED = "success", "aborted"
READY = "warmup"  # the phase in which the first batch is touched: everything before it is initialisation
TRAIN = "train"  # the stage whose epochs a record counts
LATEST = 1e11  # seconds since 1970, the year 5138: a later time, or none, is garbage in an event


@dataclass
class Times:
    """When a cell did what, in seconds since 1970."""

    init_start: float
    run_start: float
    run_stop: float
    epochs: list[tuple[int, float]] = field(default_factory=list)  # index and end of each
    # stage and split to the time of the last evaluation
    evaluated: dict[tuple[str, str], float] = field(default_factory=dict)


def mllog(runs: Sequence[Run]) -> bytes:
    """The lines of every cell of some runs.

    Raises:
        UserError: a run of `bench accuracy`, which times nothing.
    """
    for run in runs:
        if not run.records:
            raise UserError(f"{run.directory}: a run of `bench accuracy` times nothing; leave out --mllog")
    return "".join(f"{line}\n" for run in runs for record in run.records for line in of_cell(run, record)).encode()


def of_cell(run: Run, record: Record) -> list[str]:
    """The lines of one cell, in the order of their times."""
    contents = sorted(contents_of(run, record), key=lambda content: content["time_ms"])
    return [f":::MLLOG {json.dumps(content)}" for content in contents]


def contents_of(run: Run, record: Record) -> Iterator[dict[str, Any]]:
    """What the lines of one cell say; of equal times in this order."""
    times = read_times(run.directory, record)
    place = {"file": f"records/{record.cell_id}.json", "lineno": 1}  # mllog wants the place that a line comes from
    base = {"run_id": run.name, "framework": record.column, "replicas": record.replicas, "repeat": record.repeat}

    def line(seconds: float, kind: str, key: str, value: Any = None, **metadata: Any) -> dict[str, Any]:
        return {
            "namespace": record.cell_id, "time_ms": round(1e3 * seconds), "event_type": kind, "key": key,
            "value": value, "metadata": place | metadata,
        }  # fmt: skip

    start, begin, end = times.init_start, times.run_start, times.run_stop
    yield line(start, POINT, "submission_benchmark", record.workload, **base)
    yield line(start, POINT, "submission_platform", f"{record.replicas} x {record.device_name} ({record.device})")
    yield line(start, POINT, "seed", record.seed)
    yield line(start, POINT, "global_batch_size", record.replicas * record.batch_per_replica)
    yield line(start, START, "init_start")
    yield line(begin, END, "init_stop")
    yield line(begin, START, "run_start")
    since = begin
    for index, ended in times.epochs:
        yield line(since, START, "epoch_start", epoch_num=index + 1)
        yield line(ended, END, "epoch_stop", epoch_num=index + 1)
        since = ended
    if record.throughput is not None:
        samples = (record.measured_steps or 0) * record.replicas * record.batch_per_replica
        yield line(min(since, end), POINT, "train_samples", samples, window="the measured steps")
        stats = {"throughput": record.throughput}
        yield line(min(since, end), POINT, "tracked_stats", stats, step=record.measured_steps)
    for stage, splits in record.scores.items():
        epochs = {"epoch_num": record.epochs} if stage == TRAIN else {}  # of the second stage no record says how many
        for split, metrics in splits.items():
            at = times.evaluated.get((stage, split), end)
            for metric, value in metrics.items():
                yield line(at, POINT, f"eval_{metric}", value, split=split, stage=stage, **epochs)
    outcome = {"status": SUCCESS if record.status == "ok" else ABORTED}
    yield line(end, END, "run_stop", **outcome, **({"reason": record.reason} if record.reason else {}))


def read_times(directory: Path, record: Record) -> Times:
    """From the events of rank 0 where they are still there, else from the record."""
    started = datetime.fromisoformat(record.started).timestamp()
    stop = started + record.wall_seconds
    times = Times(started, max(started, min(stop, started + (record.time_to_first_step or 0.0))), stop)
    try:
        events = read_events(inside(directory, f"cells/{record.cell_id}/events.0.jsonl"))
    except OutsideError:
        return times
    events = [event for event in events if 0 <= event.time < LATEST]
    if not events:
        return times
    if ready := [phase.time for phase in of_kind(events, Phase) if phase.name == READY]:
        times.run_start = ready[0]
    times.epochs = [(epoch.index, epoch.time) for epoch in of_kind(events, Epoch)]
    times.evaluated = {(each.stage, each.split): each.time for each in of_kind(events, Evaluation)}
    times.run_stop = max(event.time for event in events)
    times.init_start = min(started, times.run_start)
    return times
