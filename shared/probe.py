"""What the equality ladder asks of a wing and how it answers: tasks in, one `.npz` of arrays a task out.

`python -m pt_impl.probe REQUEST.json FOLDER` and its TensorFlow mirror answer one request; `bench verify` compares.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from shared.batches import Batch, TrainBatches
from shared.schedule import rates
from shared.spec import TextWorkload, Workload, check
from shared.store import open_store

Arrays = dict[str, np.ndarray]
NUMPY_DTYPES = {"fp32": np.float32, "fp64": np.float64}


@dataclass(frozen=True)
class Task:
    """One thing to compute, on the CPU, on one replica."""

    name: str  # of the result file
    kind: str  # which of the wing's probes
    precision: str  # fp32 or fp64: of weights and arithmetic
    workload: Workload
    store: str
    weights: str  # safetensors, canonical names, float32
    steps: int = 1  # batches or optimizer steps
    schedule_steps: int = 1  # length of the training whose first `steps` are taken
    seed: int = 0

    def start(self) -> Arrays:
        """The starting weights in the task's precision (float32 to float64 is exact)."""
        dtype = NUMPY_DTYPES[self.precision]
        return {name: value.astype(dtype) for name, value in load_file(self.weights).items()}

    @property
    def is_text(self) -> bool:
        """Whether the workload reads texts."""
        return isinstance(self.workload, TextWorkload)

    def with_fresh_statistics(self) -> Task:
        """The task on a network whose batch-norm statistics are replaced by those of the next batch."""
        if self.is_text:
            return self
        # the least momentum that the spec allows, and what is left of the old statistics is below any rounding
        return replace(self, workload=self.workload.overridden({"model.norm_momentum": 1e-300}, self.name))

    def without_drops(self) -> Task:
        """The task on a network that drops nothing in training."""
        rates = ("hidden_dropout", "classifier_dropout") if self.is_text else ("drop_connect", "dropout")
        return replace(self, workload=self.workload.overridden({f"model.{rate}": 0.0 for rate in rates}, self.name))

    def rates(self) -> np.ndarray:
        """The learning rates (float64) of the steps."""
        schedule, batch = self.workload.schedule, self.workload.train.batch_per_replica
        return rates(schedule, schedule.peak_rate, self.schedule_steps, batch)[: self.steps]

    def batches(self) -> TrainBatches:
        """The training batches, for one replica."""
        return TrainBatches(open_store(self.store), self.workload, self.seed, 1)

    def batch(self, step: int = 0) -> Batch:
        """One of them."""
        return self.batches().batch(step)


def write_request(path: Path, tasks: Sequence[Task]) -> None:
    """Write a request."""
    content = [asdict(task) | {"workload": task.workload.model_dump(mode="json")} for task in tasks]
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def read_request(path: Path) -> list[Task]:
    """Read what `write_request` wrote."""
    tasks = []
    for content in json.loads(path.read_text(encoding="utf-8")):
        content |= {"workload": check(content["workload"], str(path))}
        tasks.append(Task(**content))
    return tasks


def answer(arguments: Sequence[str], probes: Mapping[str, Callable[[Task], Arrays]]) -> None:
    """Compute a request's tasks in order; each result appears whole, under its task's name."""
    request, folder = Path(arguments[0]), Path(arguments[1])
    for task in read_request(request):
        arrays = probes[task.kind](task)
        partial = folder / f".{task.name}.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(folder / f"{task.name}.npz")
