"""From a cell's events to its record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.cells.launch import LOG, Outcome
from bench.records.bounds import first_problem
from bench.records.record import Record
from bench.records.usage import Usage
from bench.statistics.steps import percentile, thirds
from shared.events import Epoch, Evaluation, Event, FirstStep, Latency, Memory, Parts, Settings, Step, Window, of_kind
from shared.families import family_of
from shared.protocol import Cell
from shared.task import Counts, Task, added
from shared.tasks import task_of


def throughput(windows: Sequence[Window]) -> float:
    """Samples per second of a cell: global samples / max over ranks of the seconds between the two barriers.

    Args:
        windows: one per rank; `samples` are that rank's own (all replicas' where one process drives all).
    """
    assert windows, "no window"
    return sum(window.samples for window in windows) / max(window.seconds for window in windows)


def counts(events: Sequence[Sequence[Event]]) -> dict[str, dict[str, Counts]]:
    """Stage to split to the sums over all ranks, of each rank's last evaluation of it.

    Args:
        events: of each rank.
    """
    found: dict[str, dict[str, Counts]] = {}
    for rank_events in events:
        last = {(event.stage, event.split): event for event in of_kind(rank_events, Evaluation)}
        for (stage, split), event in last.items():
            splits = found.setdefault(stage, {})
            splits[split] = added(splits.get(split, {}), event.counts)
    return found


def scores(task: Task, events: Sequence[Sequence[Event]]) -> dict[str, dict[str, dict[str, float]]]:
    """Stage to split to metric to value; a split without samples has none.

    Args:
        task: whose counts they are.
        events: of each rank.

    Raises:
        ImpossibleError: counts that are not the task's.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for stage, splits in counts(events).items():
        for split, sums in splits.items():
            try:
                of_split = task.scores(sums)
            except (KeyError, ArithmeticError) as error:
                raise ImpossibleError(f"scores: {stage}.{split}: counts {sums} ({error!r})") from None
            if of_split:
                found.setdefault(stage, {})[split] = of_split
    return found


def reported_settings(events: Iterable[Event]) -> dict[str, Any]:
    """What a rank says that it really used."""
    settings: dict[str, Any] = {}
    for event in of_kind(events, Settings):
        settings |= event.values
    return settings


def measured_figures(events: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """The fields of a record that come from events, but for scores; one that a failed cell never reached is absent."""
    # a rank's first window is that of the training; every rank must have one, or the sum would lack samples
    windows = [of_kind(rank_events, Window)[:1] for rank_events in events]
    whole = [window[0] for window in windows if window and 0 < window[0].seconds < math.inf and window[0].samples]
    first_steps = [event.seconds for rank_events in events for event in of_kind(rank_events, FirstStep)[:1]]
    memory = [event for rank_events in events for event in of_kind(rank_events, Memory)[-1:]]
    steps, settings = of_kind(events[0], Step), reported_settings(events[0])
    figures: dict[str, Any] = {
        "window_seconds": [window.seconds for window in whole],
        "step_seconds": [event.seconds for event in steps],
        "wait_seconds": [event.wait for event in steps],
        "part_seconds": {
            part: seconds for event in of_kind(events[0], Parts) for part, seconds in event.seconds.items()
        },
        "loss_per_epoch": [event.loss for event in of_kind(events[0], Epoch)],
        "settings": settings,
    }
    if whole and len(whole) == len(events):
        figures |= {"throughput": throughput(whole), "measured_steps": whole[0].steps}
        figures |= {"retraces": sum(window.retraces for window in whole)}
        figures |= {"warmup_steps": whole[0].warmup, "warmup_stationary": whole[0].stationary}
        figures |= {"turn_seconds": whole[0].turns, **drift_figures(figures["step_seconds"])}
        tokens = [window.tokens for window in whole if window.tokens is not None]
        if len(tokens) == len(whole):
            figures["tokens_per_second"] = sum(tokens) / max(window.seconds for window in whole)
    if of_kind(events[0], Latency):
        figures |= inference_figures(events)
    if first_steps:
        figures["time_to_first_step"] = max(first_steps)
    if memory:
        figures["memory_rss_peak"] = sum(event.rss_peak for event in memory)
    peaks = {
        "memory_allocator_peak": [event.allocator_peak for event in memory],
        "memory_allocator_peak_run": [event.allocator_peak_run for event in memory],
    }
    figures |= {name: max(known) for name, of in peaks.items() if (known := [peak for peak in of if peak is not None])}
    num_parameters = settings.get("num_parameters")
    return figures | {"num_parameters": num_parameters if isinstance(num_parameters, int) else None}


def inference_figures(events: Sequence[Sequence[Event]]) -> dict[str, Any]:
    """The fields of a record that answered requests give; calls of all ranks are one sample of a batch size's calls."""
    sizes: dict[int, list[Latency]] = {}
    for event in (event for rank_events in events for event in of_kind(rank_events, Latency)):
        sizes.setdefault(event.batch, []).append(event)
    whole = {size: found for size, found in sizes.items() if len(found) == len(events)}
    figures: dict[str, Any] = {"inference": [inference_of(size, found) for size, found in sorted(whole.items())]}
    if timed := next((found[0] for found in whole.values() if found[0].turns), None):
        figures |= {"turn_seconds": timed.turns, "measured_steps": len(timed.seconds)}
    return figures


def inference_of(size: int, found: Sequence[Latency]) -> dict[str, Any]:
    """What came of one batch size.

    Args:
        found: of each rank.
    """
    rss = sum(event.rss_peak for event in found)
    if failure := next((event.failure for event in found if event.failure), None):
        return {"batch": size, "reason": failure, "rss_peak": rss}
    kinds = {"": [event.seconds for event in found], "whole_": [event.whole for event in found]}
    figures: dict[str, Any] = {"batch": size, "widths": found[0].widths, "calls": sum(map(len, kinds[""]))}
    for kind, lists in kinds.items():
        if every := [1e3 * second for seconds in lists for second in seconds]:
            figures |= {f"{kind}p{percent}_ms": percentile(every, percent) for percent in (50, 95, 99)}
    if first := [1e3 * second for event in found for second in event.first]:
        figures["first_ms"] = max(first)
    if prepare := [1e3 * second for event in found for second in event.prepare]:
        figures["prepare_ms"] = percentile(prepare, 50)
    spans = [event.back_to_back for event in found if event.back_to_back]
    if len(spans) == len(found):
        samples = sum(size * event.replicas * len(event.seconds) for event in found)
        figures["samples_per_second"] = samples / max(spans)
    peaks = [event.allocator_peak for event in found if event.allocator_peak is not None]
    figures |= {"allocator_peak": max(peaks)} if peaks else {}
    return {**figures, "stationary": found[0].stationary, "rss_peak": rss}


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


class ImpossibleError(ValueError):
    """A worker reported what cannot be."""


def make_record(cell: Cell, outcome: Outcome, environment: dict[str, str], **context: Any) -> Record:
    """The record of a cell that has ended, however it did.

    A worker that reports what no record can hold (a step of -1 s, an accuracy of 2) has crashed like any other.

    Args:
        cell: what was asked for.
        outcome: what came of it.
        environment: `env.NAME` to value, as recorded beside the worker's own settings.
        context: the record's fields that hold for the whole run (run_id, kind, device_name, data_name, ...).
    """
    figures = measured_figures(outcome.events)
    figures["settings"] = figures["settings"] | environment
    try:
        figures["scores"] = scores(task_of(cell.workload), outcome.events)
        return as_record(cell, outcome, figures, context)
    except (ValidationError, ImpossibleError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        crashed = replace(outcome, status="crash", reason=f"its worker reported an impossible {problem}")
        return as_record(cell, crashed, {"settings": environment, "num_parameters": None}, context)


def as_record(cell: Cell, outcome: Outcome, figures: Mapping[str, Any], context: Mapping[str, Any]) -> Record:
    """The record of a cell with the figures that were worked out of its events.

    Raises:
        ValidationError: a figure that no record can hold.
    """
    return Record(
        **asked_for(cell),
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


def asked_for(cell: Cell) -> dict[str, Any]:
    """The fields of a record that its cell alone decides."""
    workload, task, what = cell.workload, task_of(cell.workload), family_of(cell.workload).describe(cell.workload)
    return {
        "cell_id": cell.cell_id,
        "workload": workload.name,
        "preset": workload.preset,
        "spec_hash": workload.spec_hash,
        "computation_hash": workload.computation_hash,
        "task": task.name,
        "headline": task.headline,
        "network": what.network,
        "sample": what.sample,
        "unit": what.unit,
        "cost": what.cost,
        "framework": cell.framework,
        "variant": cell.variant,
        "exchange": cell.exchange,
        "mode": cell.mode,
        "runtime": cell.runtime,
        "arm": cell.arm,
        "replicas": cell.replicas,
        "device": cell.device,
        "cores_per_replica": len(cell.cores[0]) if cell.cores else None,
        "oversubscribed": is_oversubscribed(cell),
        "precision": cell.precision,
        "input_mode": cell.input_mode,
        "repeat": cell.repeat,
        "seed": cell.seed,
        "epochs": cell.epochs,
        "batch_per_replica": workload.train.batch_per_replica,
    }


def is_oversubscribed(cell: Cell) -> bool:
    """Whether two replicas of a cell share a core."""
    cores = [core for group in cell.cores for core in group]
    return len(set(cores)) < len(cores)
