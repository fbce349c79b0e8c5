"""What the equality ladder asks of a wing and how it answers: tasks in, one `.npz` of arrays a task out.

`python -m pt_impl.probe REQUEST.json FOLDER [MUTATION]` and its TensorFlow mirror answer one request; `bench verify`
compares. A wing's probe says how its framework does what `Probe` asks for.
"""

from __future__ import annotations

import gc
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.family import AnyFamily, Batch, Weights
from shared.schedule import learning_rates
from shared.spec import Workload, check
from shared.store import open_store
from shared.task import Decisions
from shared.tasks import task_of

Arrays = dict[str, np.ndarray]
NUMPY_DTYPES = {"fp32": np.float32, "fp64": np.float64}


@dataclass(frozen=True)
class Task:
    """One thing to compute, on the CPU, on one replica."""

    name: str  # of the result file
    kind: str  # which of `Probe.answers`
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
    def family(self) -> AnyFamily:
        """The family of its network."""
        return family_of(self.workload)

    def with_fresh_statistics(self) -> Task:
        """The task on a network whose statistics are replaced by those of the next batch."""
        return replace(self, workload=self.family.with_fresh_statistics(self.workload))

    def without_drops(self) -> Task:
        """The task on a network that drops nothing in training."""
        return replace(self, workload=self.family.without_drops(self.workload))

    def learning_rates(self) -> np.ndarray:
        """The learning rates (float64) of the steps."""
        schedule, batch = self.workload.schedule, self.workload.train.batch_per_replica
        return learning_rates(schedule, schedule.peak_rate, self.schedule_steps, batch)[: self.steps]

    def batches(self) -> TrainBatches:
        """The training batches, for one replica."""
        return TrainBatches(open_store(self.store), self.workload, self.seed, 1)

    def batch(self, step: int = 0) -> Batch:
        """One of them."""
        return self.batches().batch(step)


class Probe(ABC):
    """A wing's answers. What is framework's own is abstract; the rest is the same computation in both."""

    @abstractmethod
    def make_step(self, task: Task, weights: Weights) -> Any:
        """A step on one replica, as the worker makes it."""

    @abstractmethod
    def stream(self, load: Callable[[int, int], Batch], count: int, workers: int) -> Iterator[Any]:
        """What the real input pipeline delivers."""

    @abstractmethod
    def resident(self, batch: Batch) -> Any:
        """A batch on the device."""

    @abstractmethod
    def array(self, value: Any) -> np.ndarray:
        """A tensor's content."""

    @abstractmethod
    def observed(self, step: Any, batch: Any) -> Arrays:
        """What the network reads of a training batch and what is dropped of it, by name, in one layout for both
        wings."""

    @abstractmethod
    def weights_of(self, step: Any) -> Weights:
        """Every tensor by canonical name and layout."""

    @abstractmethod
    def num_trained(self, step: Any) -> int:
        """Number of trained scalars."""

    @abstractmethod
    def forward_twice(self, step: Any, batch: Any) -> np.ndarray:
        """Logits in evaluation mode, after a pass in training mode that drops nothing (it moves the statistics)."""

    @abstractmethod
    def gradients(self, step: Any, batch: Any) -> tuple[np.ndarray, Arrays]:
        """Loss, and every gradient by canonical name and layout."""

    @abstractmethod
    def logits(self, step: Any, batch: Any) -> np.ndarray:
        """As evaluation computes them."""

    @abstractmethod
    def tokens(self, task: Task) -> Arrays:
        """The wing's own tokenisers on a store's texts."""

    def parameters(self, task: Task) -> Arrays:
        """Every tensor by canonical name, and the number of trained scalars."""
        step = self.make_step(task, task.start())
        return self.weights_of(step) | {"num_trainable": np.array(self.num_trained(step))}

    def input_batches(self, task: Task) -> Arrays:
        """What the real input pipeline delivers for the first steps and for the first of the second epoch, and the
        network's input made from it."""
        step, batches = self.make_step(task, task.start()), task.batches()
        # the last is an epoch later: what is drawn for it has to be drawn anew
        steps = [*range(task.steps), batches.steps_per_epoch]
        arrays: Arrays = {}
        delivered = self.stream(partial(_batch_of, batches, steps), len(steps), 1)
        for index, batch in zip(steps, delivered, strict=True):
            arrays |= {f"{field}.{index}": self.array(tensor) for field, tensor in batch._asdict().items()}
            arrays |= {f"{name}.{index}": value for name, value in self.observed(step, batch).items()}
        return arrays

    def forward(self, task: Task) -> Arrays:
        """Logits in evaluation mode; where there are statistics, after one training-mode pass that replaces them."""
        step = self.make_step(task.with_fresh_statistics(), task.start())
        logits = self.forward_twice(step, self.resident(task.batch()))
        statistics = {name: v for name, v in self.weights_of(step).items() if task.family.is_statistic(name)}
        return statistics | {"logits": logits}

    def backward(self, task: Task) -> Arrays:
        """Loss and every gradient, training mode, nothing dropped."""
        without = task.without_drops()
        loss, gradients = self.gradients(self.make_step(without, task.start()), self.resident(task.batch()))
        return gradients | {"loss": loss}

    def trajectory(self, task: Task) -> Arrays:
        """Losses of the first steps of a training, every tensor after them, and the average that is evaluated."""
        step = self.make_step(task, task.start())
        plan = task.learning_rates()
        batches = (self.resident(task.batch(index)) for index in range(task.steps))
        losses = [
            float(step.train(batch, float(learning_rate))) for batch, learning_rate in zip(batches, plan, strict=True)
        ]
        arrays = self.weights_of(step) | {"losses": np.array(losses)}
        if task.workload.average is not None:
            with step.averaged():
                arrays |= {f"average.{name}": value for name, value in self.weights_of(step).items()}
        return arrays

    def predictions(self, task: Task) -> Arrays:
        """What is decided about the test documents after a short training, and whether it is right."""
        store, family = open_store(task.store), task.family
        step = self.make_step(task, family.initial_weights(family.architecture(task.workload), task.seed))
        for learning_rate, batch in zip(
            task.learning_rates(), self.stream(task.batches().batch, task.steps, 0), strict=True
        ):
            step.train(batch, float(learning_rate))
        step.settle()
        evaluation, of_task = EvalBatches(store, task.workload, "test", 1), task_of(task.workload)
        found = []
        for index, batch in enumerate(self.stream(evaluation.batch, evaluation.num_batches, 0)):
            samples = evaluation.samples(index, 0)
            found.append(of_task.decisions(store, task.workload, self.logits(step, batch)[: len(samples)], samples))
        decisions = Decisions(*map(np.concatenate, zip(*found, strict=True)))
        return {**decisions._asdict(), "right": of_task.right(decisions)}

    @property
    def answers(self) -> Mapping[str, Callable[[Task], Arrays]]:
        """What answers each kind of task."""
        return {
            "parameters": self.parameters,
            "tokens": self.tokens,
            "input": self.input_batches,
            "forward": self.forward,
            "backward": self.backward,
            "trajectory": self.trajectory,
            "predictions": self.predictions,
        }


def _batch_of(batches: TrainBatches, steps: Sequence[int], index: int, replica: int) -> Batch:
    """A replica's batch of one of some steps; a function of the module, because loaders are other processes."""
    return batches.batch(steps[index], replica)


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


def answer(arguments: Sequence[str], probe: Probe, plant: Callable[[str, str], None]) -> None:
    """Compute a request's tasks in order; each result appears whole, under its task's name.

    Args:
        arguments: request, folder and, of a mutation, the function's name.
        plant: puts a mutation (a family's name, the function's) into this process.
    """
    request, folder = Path(arguments[0]), Path(arguments[1])
    tasks = read_request(request)
    if arguments[2:]:
        plant(tasks[0].workload.model.family, arguments[2])
    for task in tasks:
        arrays = probe.answers[task.kind](task)
        partial = folder / f".{task.name}.npz"
        np.savez(partial, allow_pickle=False, **arrays)
        partial.replace(folder / f"{task.name}.npz")
        # a step refers to itself through its graph: without this a large network's weights and moments would lie in
        # memory beside those of the next task
        del arrays
        gc.collect()
