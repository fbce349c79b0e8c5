"""`python -m pt_impl.peers KIND CELL.json`: what the worker's speed is held against. Mirror: `tf_impl/peers.py`.

`peer` is the library's network in a loop as its user would write it, `bare` our own step without session, events and
launcher; both report a `window` as the worker does. `profile` prints where a step's time goes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pt_impl import replicas
from pt_impl.family import Train, family
from pt_impl.worker import Wing
from shared.batches import TrainBatches
from shared.events import EventWriter
from shared.protocol import Cell, leave
from shared.session import open_cell_store, training_learning_rates

PROFILED_OPERATORS = 25


def bare_step(cell: Cell) -> Train:
    """The worker's own step on the worker's resident batch."""
    wing = Wing(cell, replicas.start(cell))
    batch = wing.resident_batch(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, cell.replicas))
    return lambda learning_rate: wing.train_step(batch, learning_rate)


def plan(cell: Cell) -> list[float]:
    """The learning rate of each step, as the session has it; the warm-up is as long as the workload says."""
    learning_rates = training_learning_rates(
        cell, TrainBatches(open_cell_store(cell), cell.workload, cell.seed, cell.replicas)
    )
    return learning_rates[: cell.workload.measure.warmup_steps + cell.workload.measure.measured_steps].tolist()


def timed(cell: Cell, step: Train) -> None:
    """Warm up, measure, report the window. On a CPU an eager step has ended when it returns."""
    emit, warmup = EventWriter(cell.events_path(0), 0), cell.workload.measure.warmup_steps
    schedule = plan(cell)
    for learning_rate in schedule[:warmup]:
        step(learning_rate)
    started = time.perf_counter()
    for learning_rate in schedule[warmup:]:
        step(learning_rate)
    seconds = time.perf_counter() - started
    steps = len(schedule) - warmup
    samples = steps * cell.global_batch
    found: dict[str, Any] = {"tokens": None, "retraces": 0, "warmup": warmup, "stationary": None, "turns": []}
    emit("window", seconds=seconds, steps=steps, samples=samples, **found)


def profiled(cell: Cell, step: Train) -> None:
    """Print the operators that take most of a step's time, after warm-up."""
    warmup, schedule = cell.workload.measure.warmup_steps, plan(cell)
    for learning_rate in schedule[:warmup]:
        step(learning_rate)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for learning_rate in schedule[warmup:]:
            step(learning_rate)
    num_steps = len(schedule) - warmup
    milliseconds = {event.key: event.self_cpu_time_total / 1e3 / num_steps for event in profile.key_averages()}
    calls = {event.key: event.count // num_steps for event in profile.key_averages()}
    print_operators(milliseconds, calls)


def print_operators(milliseconds: Mapping[str, float], calls: Mapping[str, int]) -> None:
    """The operators of a step, by the time spent in each."""
    whole = sum(milliseconds.values())
    print(f"{'operator':50} {'ms per step':>10} {'share':>7} {'calls':>6}")
    for name in sorted(milliseconds, key=milliseconds.__getitem__, reverse=True)[:PROFILED_OPERATORS]:
        print(f"{name[:50]:50} {milliseconds[name]:10.1f} {milliseconds[name] / whole:7.1%} {calls[name]:6}")
    print(f"{'all operators':50} {whole:10.1f}")


def main(kind: str, cell_path: str) -> None:
    """Run one kind of loop on a cell."""
    cell = Cell.read(Path(cell_path))
    if kind == "profile":
        profiled(cell, bare_step(cell))
    else:
        timed(cell, bare_step(cell) if kind == "bare" else family(cell.workload.model.family).peer_step(cell))


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave(0)
