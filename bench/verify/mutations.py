"""Proof that the ladder can fail: a known difference planted in one wing, and the rung that must catch it.

A mutation patches the running process of one wing (or what it is given), never a file of the project; the other wing's
honest answers are computed once.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from bench import launch
from bench.locations import results_directory
from bench.verify.compare import Arrays, worst
from bench.verify.replicas import calibrated_weights, trained_weights
from bench.verify.rungs import REPLICA_TOLERANCE, judge
from bench.verify.tasks import Material, make_material, make_tasks
from bench.verify.wings import Probe, ask
from shared.probe import Task
from shared.protocol import Cell
from shared.spec import Workload

TASKS = ("input-fp64", "forward-fp64", "backward-fp64", "trajectory-fp64")


@dataclass(frozen=True)
class Mutation:
    """One planted difference."""

    name: str
    wing: str
    task: str  # of TASKS, or "replicas": the rung that owns it
    patch: str = ""  # Python executed in the wing's process
    changes: tuple[tuple[str, Any], ...] = ()  # workload settings of that wing alone
    weight_shift: float = 0.0  # added to one weight that the wing is given


@dataclass(frozen=True)
class Outcome:
    """Whether a mutation's rung broke, and by how much."""

    mutation: Mutation
    caught: bool
    detail: str


MUTATIONS = (
    Mutation("one weight of 4 million off by 1e-4", "pt", "forward-fp64", weight_shift=1e-4),
    Mutation("epsilon 1.1e-3 for 1e-3", "pt", "forward-fp64", changes=(("model.norm_epsilon", 1.1e-3),)),
    Mutation(
        "symmetric padding at stride 2",
        "pt",
        "forward-fp64",
        patch="import pt_impl.ops as m\nm.same_padding = lambda size, kernel, stride: (kernel // 2, kernel // 2)",
    ),
    Mutation(
        "biased running variance",
        "tf",
        "forward-fp64",
        patch=(
            "import tensorflow as tf, tf_impl.ops as m\nold = tf.nn.moments\n"
            "tf.nn.moments = lambda x, axes: (old(x, axes)[0], old(x, axes)[1] * 0.999)"
        ),
    ),
    Mutation(
        "half the gradient of one bias",
        "pt",
        "backward-fp64",
        patch=(
            "import pt_impl.ops as m\nold = m.squeeze_excite\n"
            "m.squeeze_excite = lambda x, w1, b1, w2, b2: old(x, w1, b1, w2, (b2 + b2.detach()) / 2)"
        ),
    ),
    Mutation("momentum 0.89 for 0.9", "pt", "trajectory-fp64", changes=(("optimizer.momentum", 0.89),)),
    Mutation(
        "batch-norm momentum off by 0.001",
        "pt",
        "trajectory-fp64",
        patch=(
            "import pt_impl.model as m\nold = m.BatchNorm.__init__\n"
            "def init(self, weights, name, momentum, epsilon, activate):\n"
            "    old(self, weights, name, momentum - 0.001, epsilon, activate)\n"
            "m.BatchNorm.__init__ = init"
        ),
    ),
    Mutation(
        "decoupled weight decay",
        "pt",
        "trajectory-fp64",
        patch=(
            "import torch, pt_impl.optimizer as m\nold = m.Sgd.apply\n"
            "def apply(self, gradients, rate, scaler):\n"
            "    decay = self._sgd.param_groups[0]['weight_decay']\n"
            "    with torch.no_grad():\n"
            "        for p in self.parameters: p.mul_(1 - rate * decay)\n"
            "    self._sgd.param_groups[0]['weight_decay'] = 0.0\n"
            "    old(self, gradients, rate, scaler)\n"
            "    self._sgd.param_groups[0]['weight_decay'] = decay\n"
            "m.Sgd.apply = apply"
        ),
    ),
    Mutation(
        "one page of the first batch sheared the other way",
        "pt",
        "input-fp64",
        patch=(
            "import pt_impl.step as m\nold = m.network_input\n"
            "def other_way(pages, shear, *rest):\n"
            "    shear = shear.clone()\n"
            "    shear[0] = -shear[0]\n"
            "    return old(pages, shear, *rest)\n"
            "m.network_input = other_way"
        ),
    ),
    Mutation(
        "the order of another seed",
        "pt",
        "input-fp64",
        patch=(
            "import shared.batches as m, pt_impl.data as d\norder, stream = m.order, d.stream\n"
            "m.order = lambda seed, epoch, count: order(seed + 1, epoch, count)\n"
            "d.stream = lambda load, count, workers, replicas: stream(load, count, 0, replicas)"  # in this process
        ),
    ),
    Mutation(
        "gradients summed over replicas, not averaged",
        "tf",
        "replicas",
        patch=(
            "import tf_impl.step as m\nold = m.Step.loss_and_gradients\n"
            "def summed(self, batch):\n"
            "    loss, gradients = old(self, batch)\n"
            "    return loss, [g * self.replicas for g in gradients]\n"
            "m.Step.loss_and_gradients = summed"
        ),
    ),
)


def run_mutations(
    workload: Workload, say: Callable[[str], None], mutations: tuple[Mutation, ...] = MUTATIONS
) -> Iterator[Outcome]:
    """Plant each mutation, judge the rung that owns it; yields as they come."""
    folder = results_directory() / "verify" / f"mutations-{workload.computation_hash}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    material = make_material(workload, folder)
    tasks = [task for task in make_tasks(workload, material) if task.name in TASKS]
    say("honest answers of both wings")
    honest = answers(tasks, {"pt": "", "tf": ""}, folder / "honest")
    clean = [check for task in tasks for check in judge(task, *honest[task.name])]
    if broken := [check.line() for check in clean if not check.passed]:
        raise AssertionError(f"the ladder is broken without a mutation: {broken}")
    for number, mutation in enumerate(mutations):
        outcome = plant(mutation, workload, material, tasks, honest, folder / f"mutation-{number}")
        say(f"{'caught' if outcome.caught else 'MISSED'}  {mutation.name} ({mutation.wing}): {outcome.detail}")
        yield outcome


Honest = dict[str, tuple[Arrays | None, Arrays | None, str]]


def answers(tasks: list[Task], patches: dict[str, str], folder: Path) -> Honest:
    """Both wings' answers by task name."""
    found: Honest = {}
    probes = [Probe(wing, tasks, folder / wing, patch) for wing, patch in patches.items()]
    try:
        ask(probes, tasks, lambda task, pt, tf, why: found.update({task.name: (pt, tf, why)}))
    finally:
        for probe in probes:
            probe.close()
    return found


def plant(
    mutation: Mutation, workload: Workload, material: Material, tasks: list[Task], honest: Honest, folder: Path
) -> Outcome:
    """One mutation's outcome."""
    if mutation.task == "replicas":
        return plant_in_worker(mutation, workload, material, honest)
    task = next(task for task in tasks if task.name == mutation.task)
    mutated_task = replace(task, workload=task.workload.overridden(dict(mutation.changes), mutation.name))
    if mutation.weight_shift:
        weights = load_file(task.weights)
        weights["blocks.3.project.conv.weight"][0, 0] += np.float32(mutation.weight_shift)
        shifted = material.folder / "shifted.safetensors"
        save_file(weights, shifted)
        mutated_task = replace(mutated_task, weights=str(shifted))
    pt, tf, _ = honest[task.name]
    probe = Probe(mutation.wing, [mutated_task], folder, mutation.patch)
    try:
        probe.process.wait()
        mutated, why = probe.answer(mutated_task), probe.last_words()
    finally:
        probe.close()
    if mutated is None:
        return Outcome(mutation, False, f"the mutated wing gave no answer: {why}")
    if mutation.wing == "pt":
        pt = mutated
    else:
        tf = mutated
    checks = judge(task, pt, tf, why)
    broken = [check for check in checks if not check.passed]
    return Outcome(mutation, bool(broken), (broken or checks)[-1].line())


def plant_in_worker(mutation: Mutation, workload: Workload, material: Material, honest: Honest) -> Outcome:
    """A mutation of the replicas rung: one against two replicas of the mutated wing."""
    calibration = honest["forward-fp64"][0]
    assert calibration is not None
    weights = calibrated_weights(material, calibration)
    with patched_worker(mutation):
        one, two = (trained_weights(workload, mutation.wing, count, material, weights) for count in (1, 2))
    if isinstance(one, str) or isinstance(two, str):
        return Outcome(mutation, False, f"the mutated worker failed: {one if isinstance(one, str) else two}")
    error, tensor = worst(two, one)
    return Outcome(mutation, error > REPLICA_TOLERANCE, f"6 replicas: weights {error:.2g}, {tensor}")


@contextmanager
def patched_worker(mutation: Mutation) -> Iterator[None]:
    """Workers start with the mutation's patch."""
    original = launch.worker_command

    def command(cell: Cell, cell_path: Path) -> list[str]:
        program = (
            f"{mutation.patch}\nimport runpy\nrunpy.run_module('{cell.framework}_impl.worker', run_name='__main__')"
        )
        return [sys.executable, "-c", program, str(cell_path)]

    launch.worker_command = command
    try:
        yield
    finally:
        launch.worker_command = original
