"""One cell from the first step to the last: the loop that both wings are driven and timed by.

A wing only says how to take a step, how to wait for its device and how to evaluate; when that happens, what is warm-up,
what is measured and what is reported is decided here, once. The measured steps are steps of the training itself.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import psutil

from shared.batches import EvalBatches, TrainBatches, architecture_of
from shared.protocol import Cell, EventWriter
from shared.schedule import rates
from shared.store import SPLITS, Store, open_store
from shared.weights import Weights, initial_weights, load_weights


class Wing(Protocol):
    """What a framework's wing does for a session. Every rank of a cell has one; TensorFlow's one rank drives all."""

    rank: int
    local_replicas: int  # replicas that this process drives: 1 (PyTorch), all of them (TensorFlow)

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
        """Device-ready batches of steps 0 .. num_steps - 1, prefetched."""

    def resident_batch(self, batches: TrainBatches) -> Any:
        """The first batch, already on the device (input mode `device`)."""

    def train_step(self, batch: Any, rate: float) -> Any:
        """One optimizer step on the global batch; returns a handle on the mean loss without waiting for it."""

    def freeze(self) -> None:
        """Train nothing but the classifier from now on, with a fresh optimizer (paper section 4.1, second stage)."""

    def loss_value(self, loss: Any) -> float:
        """Wait for a loss and read it."""

    def synchronize(self) -> None:
        """Wait until every replica's device has done all it was given, then meet the other ranks."""

    def evaluate(self, batches: EvalBatches) -> tuple[int, int, float]:
        """(correct, total, summed loss) over the samples of this process, with replica 0's batch-norm statistics."""

    def allocator_peak(self) -> int | None:
        """Peak bytes of the framework's device allocator, or None where it has none."""

    def settings(self) -> dict[str, Any]:
        """What this process really uses (versions, threads, affinity, layout, kernels)."""

    def save(self, path: str) -> None:
        """Leave the weights as safetensors; called on rank 0 only."""


def open_cell_store(cell: Cell) -> Store:
    """The cell's store, its pages in memory unless the input mode is `disk`."""
    store = open_store(cell.store)
    return store if cell.input_mode == "disk" else store.in_memory()


def run_cell(cell: Cell, wing: Wing, store: Store, emit: EventWriter, process_started: float) -> None:
    """Warm up, measure, train on, evaluate; report all of it.

    Args:
        process_started: time.time() when this process began; the time to the first step counts from there.
    """
    emit("settings", **wing.settings())
    workload = cell.workload
    batches = TrainBatches(store, workload, cell.seed, cell.replicas)
    warmup, measured = workload.measure.warmup_steps, workload.measure.measured_steps
    num_steps = cell.epochs * batches.steps_per_epoch or warmup + measured
    schedule = rates(workload.schedule, workload.schedule.peak_rate, num_steps, cell.global_batch)
    train(cell, wing, batches, schedule, emit, process_started)
    if cell.epochs:
        evaluate(cell, wing, store, emit, "train")
        if cell.finetune:
            finetune(cell, wing, batches, emit)
            evaluate(cell, wing, store, emit, "finetune")
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    emit("memory", rss_peak=peak_kib * 1024, allocator_peak=wing.allocator_peak())
    if cell.checkpoint and wing.rank == 0:
        wing.save(cell.checkpoint)
    emit("done")


def steps_of(cell: Cell, wing: Wing, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
    """The batches of a training, or one resident batch again and again."""
    if cell.input_mode == "device":
        resident = wing.resident_batch(batches)
        return (resident for _ in range(num_steps))
    return iter(wing.train_batches(batches, num_steps))


def train(
    cell: Cell, wing: Wing, batches: TrainBatches, schedule: np.ndarray, emit: EventWriter, process_started: float
) -> None:
    """The first stage, with the measured window inside it.

    A step's seconds are the host's, from the end of the step before: on a GPU, where the host runs ahead of the device,
    single ones jitter and only the window, between two synchronised barriers, is exact.
    """
    warmup, measured = cell.workload.measure.warmup_steps, cell.workload.measure.measured_steps
    source = steps_of(cell, wing, batches, len(schedule))
    losses: list[Any] = []
    finished: list[tuple[int, list[Any], float]] = []  # epochs whose loss is still to be read
    emit("phase", name="warmup")
    window_started = step_ended = time.perf_counter()
    for step, rate in enumerate(schedule):
        if step == warmup:
            wing.synchronize()
            emit("phase", name="measure")
            window_started = step_ended = time.perf_counter()
        losses.append(wing.train_step(next(source), float(rate)))
        if step == 0:
            wing.synchronize()
            emit("first_step", seconds=time.time() - process_started)
        now = time.perf_counter()
        emit("step", index=step, seconds=now - step_ended, measured=warmup <= step < warmup + measured)
        step_ended = now
        if step + 1 == warmup + measured:
            wing.synchronize()
            samples = measured * cell.workload.train.batch_per_replica * wing.local_replicas
            emit("window", seconds=time.perf_counter() - window_started, steps=measured, samples=samples)
            emit("phase", name="train")
            step_ended = time.perf_counter()
        if cell.epochs and (step + 1) % batches.steps_per_epoch == 0:
            finished.append((step // batches.steps_per_epoch, losses, float(rate)))
            losses = []
        if not warmup <= step < warmup + measured - 1:  # reading a loss inside the window would drain a GPU's queue
            for epoch in finished:
                report_epoch(wing, *epoch, emit)
            finished.clear()


def report_epoch(wing: Wing, index: int, losses: list[Any], rate: float, emit: EventWriter) -> None:
    """Write an epoch's mean loss; the only place of the loop that waits for losses."""
    mean = float(np.mean([wing.loss_value(loss) for loss in losses]))
    emit("epoch", index=index, steps=len(losses), loss=mean, rate=rate)


def finetune(cell: Cell, wing: Wing, batches: TrainBatches, emit: EventWriter) -> None:
    """The second stage: everything frozen but the classifier, its own peak rate and number of epochs."""
    stage, workload = cell.workload.finetune, cell.workload
    emit("phase", name="finetune")
    wing.freeze()
    num_steps = stage.epochs * batches.steps_per_epoch
    source = steps_of(cell, wing, batches, num_steps)
    losses: list[Any] = []
    step_ended = time.perf_counter()
    for step, rate in enumerate(rates(workload.schedule, stage.peak_rate, num_steps, cell.global_batch)):
        losses.append(wing.train_step(next(source), float(rate)))
        now = time.perf_counter()
        emit("step", index=step, seconds=now - step_ended, measured=False)
        step_ended = now
        if (step + 1) % batches.steps_per_epoch == 0:
            report_epoch(wing, cell.epochs + step // batches.steps_per_epoch, losses, float(rate), emit)
            losses = []


def evaluate(cell: Cell, wing: Wing, store: Store, emit: EventWriter, stage: str) -> None:
    """Count every sample of every split once over all ranks."""
    emit("phase", name="evaluate")
    for split in SPLITS:
        if len(store.indices(split)):
            batches = EvalBatches(store, cell.workload, split, cell.replicas)
            correct, total, loss = wing.evaluate(batches)
            emit("eval", split=split, correct=correct, total=total, loss=loss, stage=stage)


def process_start_time() -> float:
    """time.time() at which this process was started, imports included."""
    return psutil.Process().create_time()


def starting_weights(cell: Cell) -> Weights:
    """The weights that a matched cell starts from: the file it names, else seeded ones."""
    arch = architecture_of(cell.workload)
    return load_weights(cell.weights, arch, cell.seed) if cell.weights else initial_weights(arch, cell.seed)
