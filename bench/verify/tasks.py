"""What the ladder asks both wings to compute for a workload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.batches import architecture_of
from shared.probe import Task
from shared.spec import Workload
from shared.weights import initial_weights, save_weights

RUNG_SIZE = 64  # pixels; the rungs are about equality, not about size: forward also runs at the workload's own
RUNG_BATCH = 8
RUNG_PAGES = 160
TRAJECTORY_STEPS = 10
# The first steps of a training of this length: rates as the published schedule begins, low.
SCHEDULE_STEPS = 3200
ACCURACY_SEEDS = (0, 1, 2)
ACCURACY_CLASSES = 4
ACCURACY_STEPS = 30
SEED = 0
PRECISIONS = ("fp64", "fp32")


@dataclass(frozen=True)
class Material:
    """The stores and weights that a ladder works on."""

    folder: Path
    small: Path  # pages of the rungs' size
    own: Path  # a few pages of the workload's size
    easy: Path  # few classes, for the accuracy rung
    weights: Path


def rung_workload(workload: Workload) -> Workload:
    """The workload's mathematics at a size that two cores take in their stride."""
    size = min(RUNG_SIZE, workload.input.image_size)
    changes = {"input.image_size": size, "train.batch_per_replica": RUNG_BATCH, "model.num_classes": 16}
    return workload.overridden(changes, "ladder")


def accuracy_workload(workload: Workload) -> Workload:
    """A small task that a random network learns in a minute: few classes, statistics that settle in tens of steps."""
    changes = {
        "model.num_classes": ACCURACY_CLASSES,
        "model.norm_momentum": 0.8,
        "model.drop_connect": 0.0,
        "model.dropout": 0.0,
        "schedule.peak_rate": 0.4,
    }
    return rung_workload(workload).overridden(changes, "ladder")


def own_size_workload(workload: Workload) -> Workload:
    """The workload at its own page size, two pages a batch."""
    return workload.overridden({"train.batch_per_replica": 2, "model.num_classes": 16}, "ladder")


def make_material(workload: Workload, folder: Path) -> Material:
    """Render the pages, draw the weights."""
    from bench.data.derive import synthetic_store

    small, own = rung_workload(workload), own_size_workload(workload)
    material = Material(folder, folder / "small", folder / "own", folder / "easy", folder / "weights.safetensors")
    synthetic_store(material.small, RUNG_PAGES, small.input.image_size, workers=1)
    synthetic_store(material.own, 32, own.input.image_size, workers=1)
    synthetic_store(material.easy, RUNG_PAGES * 2, small.input.image_size, classes=ACCURACY_CLASSES, workers=1)
    save_weights(material.weights, initial_weights(architecture_of(small), SEED))
    return material


def make_tasks(workload: Workload, material: Material) -> list[Task]:
    """The tasks of rungs 1 to 5 and 7, the quick ones first."""
    small = rung_workload(workload)
    weights, store = str(material.weights), str(material.small)
    tasks = [Task("parameters", "parameters", "fp32", small, store, weights)]
    for precision in PRECISIONS:
        tasks.append(Task(f"input-{precision}", "input", precision, small, store, weights, steps=3))
        tasks.append(Task(f"forward-{precision}", "forward", precision, small, store, weights))
        tasks.append(Task(f"backward-{precision}", "backward", precision, small, store, weights))
    own = own_size_workload(workload)
    if own.input.image_size > small.input.image_size:
        for precision in PRECISIONS:
            name = f"forward-{precision}-{own.input.image_size}px"
            tasks.append(Task(name, "forward", precision, own, str(material.own), weights))
    for precision in PRECISIONS:
        name = f"trajectory-{precision}"
        tasks.append(
            Task(name, "trajectory", precision, small, store, weights, TRAJECTORY_STEPS, schedule_steps=SCHEDULE_STEPS)
        )
    easy = accuracy_workload(workload)
    tasks.append(
        Task(
            "accuracy",
            "accuracy",
            "fp32",
            easy,
            str(material.easy),
            weights,
            steps=ACCURACY_STEPS,
            schedule_steps=ACCURACY_STEPS,
            seeds=ACCURACY_SEEDS,
        )
    )
    return tasks
