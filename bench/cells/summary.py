"""From a cell's events to its record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.cells.events import Event
from bench.cells.launch import LOG, Outcome
from bench.records.bounds import first_problem
from bench.records.record import Record
from bench.records.usage import Usage
from bench.statistics.steps import thirds
from shared.families import family_of
from shared.metrics import micro_f1
from shared.modalities import Pages, Tokens
from shared.protocol import Cell


def throughput(windows: Sequence[Event]) -> float:
    """Samples a second of a cell: global samples / max over ranks of the seconds between the two barriers.

    Args:
        windows: one `window` event a rank; `samples` are that rank's own (all replicas' where one process drives all).
    """
    assert windows, "no window"
    return float(sum(window["samples"] for window in windows) / max(window["seconds"] for window in windows))


def of_kind(events: Iterable[Event], kind: str) -> list[Event]:
    """The events of one kind, in order."""
    return [event for event in events if event["event"] == kind]


def accuracy(events: Sequence[Sequence[Event]], stage: str) -> dict[str, float]:
    """Split to the share of samples classified correctly, over all ranks, at the stage's last evaluation."""
    counts: dict[str, list[int]] = {}
    for rank_events in events:
        last = {event["split"]: event for event in of_kind(rank_events, "eval") if event["stage"] == stage}
        for split, event in last.items():
            sums = counts.setdefault(split, [0, 0])
            sums[0] += event["correct"]
            sums[1] += event["total"]
    return {split: correct / total for split, (correct, total) in counts.items() if total > 0}


def f1(events: Sequence[Sequence[Event]], stage: str) -> dict[str, float]:
    """Split to micro-averaged F1, over all ranks, at the stage's last evaluation."""
    counts: dict[str, list[int]] = {}
    for rank_events in events:
        last = {event["split"]: event for event in of_kind(rank_events, "eval") if event["stage"] == stage}
        for split, event in last.items():
            sums = counts.setdefault(split, [0, 0, 0])
            for position, name in enumerate(("hits", "predicted", "relevant")):
                sums[position] += event[name]
    return {split: micro_f1(*sums) for split, sums in counts.items()}


def measured_figures(events: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """The fields of a record that come from events; a figure that a failed cell never reached is absent."""
    # a rank's first window is that of the training; every rank must have one, or the sum would lack samples
    windows = [of_kind(rank_events, "window")[:1] for rank_events in events]
    whole = [window[0] for window in windows if window and 0 < window[0]["seconds"] < math.inf and window[0]["samples"]]
    first_steps = [event["seconds"] for rank_events in events for event in of_kind(rank_events, "first_step")[:1]]
    memory = [of_kind(rank_events, "memory")[-1:] for rank_events in events]
    last_memory = [event for last in memory for event in last]
    settings: dict[str, Any] = {}
    for event in of_kind(events[0], "settings"):
        settings |= {key: value for key, value in event.items() if key not in ("event", "rank", "time")}
    figures: dict[str, Any] = {
        "window_seconds": [window["seconds"] for window in whole],
        "step_seconds": [event["seconds"] for event in of_kind(events[0], "step")],
        "wait_seconds": [event["wait"] for event in of_kind(events[0], "step")],
        "part_seconds": {
            part: seconds for event in of_kind(events[0], "parts") for part, seconds in event["seconds"].items()
        },
        "accuracy": accuracy(events, "train"),
        "accuracy_finetuned": accuracy(events, "finetune"),
        "loss_per_epoch": [event["loss"] for event in of_kind(events[0], "epoch")],
        "settings": settings,
    }
    if whole and len(whole) == len(events):
        figures |= {"throughput": throughput(whole), "measured_steps": whole[0]["steps"]}
        figures |= {"retraces": sum(window["retraces"] for window in whole)}
        figures |= {"warmup_steps": whole[0]["warmup"], "warmup_stationary": whole[0]["stationary"]}
        figures |= {"turn_seconds": whole[0]["turns"], **drift_figures(figures["step_seconds"])}
        if all(window["tokens"] is not None for window in whole):
            seconds = max(window["seconds"] for window in whole)
            figures["tokens_per_second"] = sum(window["tokens"] for window in whole) / seconds
    if first_steps:
        figures["time_to_first_step"] = max(first_steps)
    if last_memory:
        figures["memory_rss_peak"] = int(sum(event["rss_peak"] for event in last_memory))
    for kind in ("allocator_peak", "allocator_peak_run"):
        peaks = [peak for event in last_memory if isinstance(peak := event.get(kind), int)]
        figures |= {f"memory_{kind}": max(peaks)} if peaks else {}
    num_parameters = settings.get("num_parameters")
    return figures | {"num_parameters": num_parameters if isinstance(num_parameters, int) else None}


def drift_figures(step_seconds: Sequence[float]) -> dict[str, Any]:
    """The fields of a record that say how the step time moved in the window; none where steps cannot tell.

    Args:
        step_seconds: of rank 0, in the window.
    """
    if len(step_seconds) < 3 or not all(0 < seconds < math.inf for seconds in step_seconds):
        return {}
    found = thirds(step_seconds)
    return {"window_drift": found.drift, "window_drift_noise": found.noise}


def usage_of(outcome: Outcome, figures: dict[str, Any]) -> Usage | None:
    """What the monitors saw, with what only the worker knows."""
    if outcome.usage is None or figures.get("turn_seconds"):
        return outcome.usage and outcome.usage.of_turns()
    return outcome.usage.with_samples(figures.get("throughput"))


def make_record(cell: Cell, outcome: Outcome, environment: dict[str, str], **context: Any) -> Record:
    """The record of a cell that has ended, however it did.

    A worker that reports what no record can hold (a step of -1 s, an accuracy of 2) has crashed like any other.

    Args:
        cell: what was asked for.
        outcome: what came of it.
        environment: `env.NAME` to value, as recorded beside the worker's own settings.
        context: the record's fields that hold for the whole run (run_id, device_name, data_name, ...).
    """
    figures = measured_figures(outcome.events)
    figures["settings"] = figures["settings"] | environment
    if cell.workload.task == "labels":
        figures["f1"] = f1(outcome.events, "train")
    try:
        return as_record(cell, outcome, figures, context)
    except ValidationError as error:
        reason = f"its worker reported an impossible {first_problem(error)}"
        crashed = replace(outcome, status="crash", reason=reason)
        return as_record(cell, crashed, {"settings": environment, "num_parameters": None}, context)


def as_record(cell: Cell, outcome: Outcome, figures: Mapping[str, Any], context: Mapping[str, Any]) -> Record:
    """The record of a cell with the figures that were worked out of its events.

    Raises:
        ValidationError: a figure that no record can hold.
    """
    workload = cell.workload
    return Record(
        cell_id=cell.cell_id,
        workload=workload.name,
        preset=workload.preset,
        spec_hash=workload.spec_hash,
        computation_hash=workload.computation_hash,
        framework=cell.framework,  # type: ignore[arg-type]  # checked by pydantic
        variant=cell.variant,
        exchange=cell.exchange,
        arm=cell.arm,  # type: ignore[arg-type]
        replicas=cell.replicas,
        device=cell.device,  # type: ignore[arg-type]
        cores_per_replica=len(cell.cores[0]) if cell.cores else None,
        oversubscribed=is_oversubscribed(cell),
        precision=cell.precision,
        input_mode=cell.input_mode,
        repeat=cell.repeat,
        seed=cell.seed,
        epochs=cell.epochs,
        batch_per_replica=workload.train.batch_per_replica,
        image_size=next((m.pixels for m in family_of(workload).modalities(workload) if isinstance(m, Pages)), None),
        max_tokens=next((m.width for m in family_of(workload).modalities(workload) if isinstance(m, Tokens)), None),
        status=outcome.status,
        reason=outcome.reason,
        started=outcome.started,
        wall_seconds=outcome.wall_seconds,
        harness_cpu_seconds=outcome.harness_cpu_seconds,
        usage=usage_of(outcome, dict(figures)),
        log=str(Path("cells") / cell.cell_id / LOG),
        **figures,
        **context,
    )


def is_oversubscribed(cell: Cell) -> bool:
    """Whether two replicas of a cell share a core."""
    cores = [core for group in cell.cores for core in group]
    return len(set(cores)) < len(cores)
