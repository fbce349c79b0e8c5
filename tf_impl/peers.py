"""`python -m tf_impl.peers KIND CELL.json`: what the worker's speed is held against. Mirror: `pt_impl/peers.py`.

`peer` is the library's network in a loop as its user would write it, `bare` our own step without session, events and
launcher; both report a `window` as the worker does. `profile` prints where a step's time goes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from shared.batches import TrainBatches
from shared.events import EventWriter
from shared.protocol import Cell, leave
from shared.session import open_cell_store, training_learning_rates
from tf_impl import replicas
from tf_impl.family import Train, family
from tf_impl.worker import Wing

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
    """Warm up, measure between two synchronisations, report the window."""
    emit, warmup = EventWriter(cell.events_path(0), 0), cell.workload.measure.warmup_steps
    schedule = plan(cell)
    for learning_rate in schedule[:warmup]:
        step(learning_rate)
    tf.test.experimental.sync_devices()
    started = time.perf_counter()
    for learning_rate in schedule[warmup:]:
        step(learning_rate)
    tf.test.experimental.sync_devices()
    seconds = time.perf_counter() - started
    steps = len(schedule) - warmup
    samples = steps * cell.global_batch
    found: dict[str, Any] = {"tokens": None, "retraces": 0, "warmup": warmup, "stationary": None, "turns": []}
    emit("window", seconds=seconds, steps=steps, samples=samples, **found)


def profiled(cell: Cell, step: Train) -> None:
    """Print the operators that take most of a step's time, after warm-up; those that run side by side all count."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    warmup, schedule = cell.workload.measure.warmup_steps, plan(cell)
    for learning_rate in schedule[:warmup]:
        step(learning_rate)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for learning_rate in schedule[warmup:]:
                step(learning_rate)
            tf.test.experimental.sync_devices()
        (trace,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(trace.read_bytes())
    num_steps = len(schedule) - warmup
    milliseconds: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for plane in space.planes:
        # the interpreter's own line holds whole functions: everything in them would count twice
        for event in (event for line in plane.lines if line.name != "python" for event in line.events):
            name = plane.event_metadata[event.metadata_id].name
            # "scope/name:Type" is a TensorFlow operator, "..._fusion" a kernel of XLA's; the rest is the runtime's own
            if "::" not in name and (":" in name or name.endswith("_fusion")):
                operator = name.rpartition(":")[2]
                milliseconds[operator] += event.duration_ps / 1e9 / num_steps
                count[operator] += 1
    print_operators(milliseconds, {name: number // num_steps for name, number in count.items()})


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
