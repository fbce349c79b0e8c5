"""One cell from the first step to the last: the loop that both wings are driven and timed by.

A wing only says how to take a step, how to wait for its device and how to evaluate; when that happens, what is warm-up,
what is measured and what is reported is decided here, once. The measured steps are steps of the training itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shared import parts
from shared.batches import EvalBatches, TrainBatches
from shared.clock import process_age
from shared.divergence import DivergedError, check_logits, finite_losses
from shared.errors import UserError
from shared.events import EventWriter
from shared.families import family_of
from shared.family import Weights
from shared.inference import infer, rss_peak
from shared.logits import leave_logits
from shared.outside import read_array
from shared.protocol import Cell
from shared.schedule import learning_rates
from shared.stopping import Stopping
from shared.store import SPLITS, Store, open_store
from shared.task import Counts, DocumentTask
from shared.tasks import task_of
from shared.warmup import most_steps
from shared.weights import load_weights
from shared.window import Window
from shared.wing import Wing


def open_cell_store(cell: Cell) -> Store:
    """The cell's store with the cell's splits, its content in memory unless the input mode is `disk`."""
    store = open_store(cell.store)
    if cell.splits is not None:
        store = store.with_splits(read_array(Path(cell.splits)))
    return store if cell.input_mode == "disk" else store.in_memory()


def train_batches(cell: Cell, store: Store) -> TrainBatches:
    """The cell's training batches. The `native` arm's networks draw their own dropout, so none is drawn for them."""
    workload = cell.workload
    if cell.arm == "native":
        workload = family_of(workload).without_drops(workload)
    return TrainBatches(store, workload, cell.seed, cell.replicas)


def run_cell(cell: Cell, wing: Wing, store: Store, emit: EventWriter, process_started: float) -> None:
    """Warm up, measure, train on, evaluate; report all of it. A training that diverges is reported and ends there.

    Args:
        process_started: time.perf_counter() when this process began; the time to the first step counts from there.
    """
    emit("settings", values=wing.settings())
    try:
        if cell.mode == "infer":
            infer(cell, wing, store, emit, process_started)
            emit("memory", rss_peak=rss_peak(), **allocator_peaks(wing, None))
            emit("done")
            return
        if cell.logits:
            leave_logits(cell, wing, store, emit)
            emit("done")
            return
        window = run_stages(cell, wing, store, emit, process_started)
    except DivergedError as error:  # on every rank: nobody waits for one that has left
        emit("error", kind="diverged", message=str(error))
        return
    emit("memory", rss_peak=rss_peak(), **allocator_peaks(wing, window))
    if cell.checkpoint and wing.rank == 0:
        wing.save(cell.checkpoint)
    emit("done")


def run_stages(cell: Cell, wing: Wing, store: Store, emit: EventWriter, process_started: float) -> Window | None:
    """The stages of a cell, each with its evaluation; returns the training's window, where there is one.

    Raises:
        DivergedError: on every rank.
    """
    batches = train_batches(cell, store)
    stages = stages_of(cell)
    window = None
    for stage in stages:
        if stage == "train":
            window = train(cell, wing, batches, training_learning_rates(cell, batches), emit, process_started)
        else:
            finetune(cell, wing, batches, emit)
        if cell.epochs or stage == "finetune":
            evaluate(cell, wing, store, emit, stage, keep=cell.predictions and stage == stages[-1])
    return window


def allocator_peaks(wing: Wing, window: Window | None) -> dict[str, int | None]:
    """Peak bytes of the device allocator in the window, and in the whole run; without a window they are the same."""
    last = wing.allocator_peak()
    if window is None or not window.is_over:
        return {"allocator_peak": last, "allocator_peak_run": last}
    peaks = [peak for peak in (window.peak_before, window.allocator_peak, last) if peak is not None]
    return {"allocator_peak": window.allocator_peak, "allocator_peak_run": max(peaks, default=None)}


def stages_of(cell: Cell) -> tuple[str, ...]:
    """The stages of a cell: the training, the classifier alone, or one after the other."""
    if not cell.finetune:
        return ("train",)
    return ("train", "finetune") if cell.epochs else ("finetune",)


def training_learning_rates(cell: Cell, batches: TrainBatches) -> np.ndarray:
    """The learning rate (float64) of every step of the first stage; without epochs, of as many as it may have.

    One resident batch is looked at, not learnt: trained on again and again it is soon known by heart, its gradients
    sink below the smallest normal number, and what is timed is how a framework treats those (PyTorch computes with
    them, slowly; TensorFlow flushes them to zero).
    """
    measure, schedule = cell.workload.measure, cell.workload.schedule
    num_steps = cell.epochs * batches.steps_per_epoch or most_steps(measure.warmup_steps) + measure.measured_steps
    if cell.input_mode == "device":
        return np.zeros(num_steps)
    return learning_rates(schedule, schedule.peak_rate, num_steps, cell.global_batch)


def steps_of(cell: Cell, wing: Wing, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
    """The batches of a training, or one resident batch again and again."""
    if cell.input_mode == "device":
        resident = wing.resident_batch(batches)
        return (resident for _ in range(num_steps))
    return iter(wing.train_batches(batches, num_steps))


def train(
    cell: Cell, wing: Wing, batches: TrainBatches, schedule: np.ndarray, emit: EventWriter, process_started: float
) -> Window:
    """The first stage, with the measured window inside it; without epochs it ends with the window, with `stopping` not
    before. Returns the window."""
    source = steps_of(cell, wing, batches, len(schedule))
    window = Window(cell, wing, batches, emit, len(schedule))
    stopping = stopping_of(cell, batches.store) if cell.epochs else None
    stops = False
    losses: list[Any] = []
    finished: list[tuple[int, list[Any], float, int]] = []  # epochs whose loss is still to be read
    emit("phase", name="warmup")
    window.begin()
    step_ended = time.perf_counter()
    for step, learning_rate in enumerate(schedule):
        if window.before(step):
            step_ended = time.perf_counter()
        asked = time.perf_counter()
        batch = next(source)
        waited = time.perf_counter() - asked
        losses.append(wing.train_step(batch, float(learning_rate)))
        if step == 0:
            wing.synchronize()
            window.first_traces = wing.num_traces()
            emit("first_step", seconds=time.perf_counter() - process_started)
        now = time.perf_counter()
        emit("step", index=step, seconds=now - step_ended, wait=waited, measured=window.is_open)
        step_ended = now
        closed = window.after(step)
        ends_epoch = bool(cell.epochs) and (step + 1) % batches.steps_per_epoch == 0
        if ends_epoch:
            finished.append((step // batches.steps_per_epoch, losses, float(learning_rate), step + 1 - len(losses)))
            losses = []
        if not window.is_open:  # reading a loss inside the window would drain a GPU's queue
            for index, of_epoch, last_rate, first in finished:
                report_epoch(emit, index, finite_losses(wing, of_epoch, first), last_rate)
            finished.clear()
        if closed:  # a training that has diverged by now is not gone on with
            finite_losses(wing, losses, step + 1 - len(losses))
            step_ended = time.perf_counter()
        if ends_epoch and stopping is not None and not stops:
            stops = validate(cell, wing, batches.store, emit, window, stopping, step + 1)
            step_ended = time.perf_counter()
        if window.is_over and (stops or not cell.epochs):
            break
    if cell.parts:
        parts.measure(wing, batches, window.turns, emit)
    if stopping is not None:
        wing.restore()
    elif cell.workload.average is not None:
        wing.settle()
    return window


def stopping_of(cell: Cell, store: Store) -> Stopping | None:
    """What decides when a training stops; None: its last epoch does.

    Raises:
        UserError: no validation split to judge epochs by.
    """
    settings = cell.workload.stopping
    if settings is None:
        return None
    if not len(store.indices("val")):
        raise UserError(
            f"{cell.workload.name}: [stopping] judges epochs by the validation split, and {store.path} has none: "
            "prepare a store with one, or leave the table out"
        )
    task = task_of(cell.workload)
    return Stopping(settings.patience, task.metrics[task.headline].larger_is_better)


def validate(
    cell: Cell, wing: Wing, store: Store, emit: EventWriter, window: Window, stopping: Stopping, num_steps: int
) -> bool:
    """After an epoch: judge it by the headline on the validation split, over all ranks, and keep the tensors of the
    best one. Returns whether the training stops.

    Raises:
        DivergedError: logits that are not finite.
    """
    window.pause(num_steps)
    emit("phase", name="evaluate")
    task = task_of(cell.workload)
    with wing.averaged():
        counts, _ = evaluated(cell, wing, store, "val", None)
        emit("eval", split="val", stage="train", counts=counts)
        names = sorted(counts)
        everywhere = dict(zip(names, wing.total([counts[name] for name in names]), strict=True))
        if stopping.is_best(task.scores(everywhere)[task.headline]):
            wing.keep()
    window.resume(num_steps)
    return stopping.is_over


def replicas_of(wing: Wing) -> range:
    """The replicas that a process drives."""
    return range(wing.rank * wing.local_replicas, (wing.rank + 1) * wing.local_replicas)


def report_epoch(emit: EventWriter, index: int, losses: list[float], learning_rate: float) -> None:
    """Write an epoch's mean loss."""
    emit("epoch", index=index, steps=len(losses), loss=float(np.mean(losses)), learning_rate=learning_rate)


def finetune(cell: Cell, wing: Wing, batches: TrainBatches, emit: EventWriter) -> None:
    """The second stage: everything frozen but the classifier, its own peak rate and number of epochs."""
    workload = cell.workload
    stage = family_of(workload).second_stage(workload)
    assert stage is not None, "the harness refuses a second stage where there is none"
    emit("phase", name="finetune")
    wing.freeze()
    num_steps = stage.epochs * batches.steps_per_epoch
    source = steps_of(cell, wing, batches, num_steps)
    losses: list[Any] = []
    step_ended = time.perf_counter()
    for step, learning_rate in enumerate(
        learning_rates(workload.schedule, stage.peak_rate, num_steps, cell.global_batch)
    ):
        losses.append(wing.train_step(next(source), float(learning_rate)))
        now = time.perf_counter()
        emit("step", index=step, seconds=now - step_ended, wait=0.0, measured=False)
        step_ended = now
        if (step + 1) % batches.steps_per_epoch == 0:
            values = finite_losses(wing, losses, step + 1 - len(losses), " of the second stage")
            report_epoch(emit, cell.epochs + step // batches.steps_per_epoch, values, float(learning_rate))
            losses = []


def evaluate(cell: Cell, wing: Wing, store: Store, emit: EventWriter, stage: str, keep: bool) -> None:
    """Count every sample of every split once over all ranks.

    Args:
        keep: leave every sample's probabilities where the cell says.

    Raises:
        DivergedError: logits that are not finite.
    """
    emit("phase", name="evaluate")
    task = task_of(cell.workload)
    probabilities = None
    if keep:
        assert isinstance(task, DocumentTask), "the harness keeps predictions of documents alone"
        probabilities = task.probabilities
    kept: dict[str, np.ndarray] = {}
    for split in SPLITS:
        if not len(store.indices(split)):
            continue
        counts, of_split = evaluated(cell, wing, store, split, probabilities)
        emit("eval", split=split, stage=stage, counts=counts)
        kept |= {f"{split}.{name}": values for name, values in of_split.items()}
    if keep:
        path = cell.predictions_path(wing.rank)
        partial = path.with_name(f".{path.name}")
        np.savez(partial, allow_pickle=False, **kept)
        partial.replace(path)


def evaluated(
    cell: Cell, wing: Wing, store: Store, split: str, probabilities: Callable[[np.ndarray], np.ndarray] | None
) -> tuple[Counts, dict[str, np.ndarray]]:
    """The counts of a split over this rank's samples and, where it is said how probabilities are made, these samples
    and theirs.

    Raises:
        DivergedError: logits that are not finite.
    """
    batches = EvalBatches(store, cell.workload, split, cell.replicas)
    tally = task_of(cell.workload).tally(store, cell.workload)
    rows: list[np.ndarray] = []
    every: list[np.ndarray] = []
    for index, logits in enumerate(wing.predict(batches)):
        for replica, of_replica in zip(replicas_of(wing), logits, strict=True):
            rows.append(batches.samples(index, replica))
            every.append(of_replica[: len(rows[-1])])
            tally.add(every[-1], rows[-1])
    check_logits(wing, every, split)
    if probabilities is None:
        return tally.counts(), {}
    found = np.concatenate([probabilities(logits) for logits in every])
    return tally.counts(), {"samples": np.concatenate(rows), "probabilities": found}


def process_start_time() -> float:
    """time.perf_counter() at which this process was started, imports included; negative as a rule, and no matter."""
    return time.perf_counter() - process_age()


def starting_weights(cell: Cell) -> Weights:
    """The weights that a matched cell starts from: the file it names, else seeded ones with its store's word vectors.

    Raises:
        UserError: weights or word vectors that are not the network's.
    """
    if cell.weights:
        return load_weights(cell.weights, cell.workload, cell.seed)
    family = family_of(cell.workload)
    seeded = family.initial_weights(family.architecture(cell.workload), cell.seed)
    vectors = open_store(cell.store).vectors
    return seeded if vectors is None else family.with_vectors(seeded, np.array(vectors))
