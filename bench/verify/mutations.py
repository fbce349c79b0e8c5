"""Proof that the ladder can fail: a known difference planted in one wing, and the rung that must catch it.

A mutation (shared.ladder.Mutation) changes the running process of one wing, or what it is given, never a file of the
project; the other wing's honest answers are computed once.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from bench.cells import launch
from bench.host.environments.choice import wing_pythons
from bench.host.locations import results_directory
from bench.records.certificates import Pythons
from bench.verify.compare import Arrays, worst
from bench.verify.replicas import calibrated_weights, trained_weights
from bench.verify.rungs import REPLICA_TOLERANCE, judge
from bench.verify.samples import Material, make_material
from bench.verify.tasks import make_tasks
from bench.verify.wings import WINGS, Probe, ask
from shared.families import family_of
from shared.frameworks import framework
from shared.ladder import Mutation
from shared.probe import Task
from shared.protocol import Cell
from shared.spec import Workload
from shared.tasks import task_of

TASKS = ("input-fp64", "forward-fp64", "backward-fp64", "trajectory-fp64", "predictions")


@dataclass(frozen=True)
class Outcome:
    """Whether a mutation's rung broke, and by how much."""

    mutation: Mutation
    caught: bool
    detail: str


def mutations_of(workload: Workload) -> tuple[Mutation, ...]:
    """The mutations of a workload's kind of network and of its task."""
    return (*family_of(workload).ladder.all_mutations, *task_of(workload).mutations)


def run_mutations(
    workload: Workload,
    say: Callable[[str], None],
    mutations: tuple[Mutation, ...] | None = None,
    pythons: Pythons | None = None,
) -> Iterator[Outcome]:
    """Plant each mutation (None: all of the workload's kind), judge the rung that owns it; yields as they come.

    Args:
        pythons: each wing's interpreter (None: this one); None as a whole: those that `bench run` takes.
    """
    chosen = wing_pythons() if pythons is None else pythons
    folder = results_directory() / "verify" / f"mutations-{workload.computation_hash}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    material = make_material(workload, folder)
    tasks = [task for task in make_tasks(workload, material) if task.name in TASKS]
    say("honest answers of both wings")
    honest = answers(tasks, folder / "honest", chosen)
    clean = [check for task in tasks for check in judge(task, *honest[task.name])]
    if broken := [check.line() for check in clean if not check.passed]:
        raise AssertionError(f"the ladder is broken without a mutation: {broken}")
    for number, mutation in enumerate(mutations or mutations_of(workload)):
        outcome = plant(mutation, workload, material, tasks, honest, folder / f"mutation-{number}", chosen)
        say(f"{'caught' if outcome.caught else 'MISSED'}  {mutation.name} ({mutation.wing}): {outcome.detail}")
        yield outcome


Honest = dict[str, tuple[Arrays | None, Arrays | None, str]]


def answers(tasks: list[Task], folder: Path, pythons: Pythons) -> Honest:
    """Both wings' answers by task name."""
    found: Honest = {}
    probes = [Probe(wing, tasks, folder / wing, python=pythons[wing]) for wing in WINGS]
    try:
        ask(probes, tasks, lambda task, pt, tf, why: found.update({task.name: (pt, tf, why)}))
    finally:
        for probe in probes:
            probe.close()
    return found


def plant(
    mutation: Mutation,
    workload: Workload,
    material: Material,
    tasks: list[Task],
    honest: Honest,
    folder: Path,
    pythons: Pythons,
) -> Outcome:
    """One mutation's outcome."""
    if mutation.owner == "replicas":
        return plant_in_worker(mutation, workload, material, honest, pythons[mutation.wing])
    task = next(task for task in tasks if task.name == mutation.owner)
    mutated_task = replace(task, workload=task.workload.overridden(dict(mutation.changes), mutation.name))
    if mutation.weight_shift:
        weights = load_file(task.weights)
        tensor, shift = mutation.weight_shift
        weights[tensor][0, 0] += np.float32(shift)
        shifted = material.folder / "shifted.safetensors"
        save_file(weights, shifted)
        mutated_task = replace(mutated_task, weights=str(shifted))
    probe = Probe(mutation.wing, [mutated_task], folder, mutation.function, pythons[mutation.wing])
    try:
        probe.process.wait()
        mutated, why = probe.answer(mutated_task), probe.last_words()
    finally:
        probe.close()
    if mutated is None:
        return Outcome(mutation, False, f"the mutated wing gave no answer: {why}")
    pt, tf = (
        mutated if wing == mutation.wing else answer for wing, answer in zip(WINGS, honest[task.name][:2], strict=True)
    )
    checks = judge(task, pt, tf, why)
    broken = [check for check in checks if not check.passed]
    return Outcome(mutation, bool(broken), (broken or checks)[-1].line())


def plant_in_worker(
    mutation: Mutation, workload: Workload, material: Material, honest: Honest, python: str | None
) -> Outcome:
    """A mutation of the replicas rung: one against two replicas of the mutated wing."""
    calibration = honest["forward-fp64"][0]
    assert calibration is not None
    weights = calibrated_weights(material, calibration)
    with patched_worker(mutation):
        one, two = (trained_weights(workload, mutation.wing, count, material, weights, python) for count in (1, 2))
    if isinstance(one, str) or isinstance(two, str):
        return Outcome(mutation, False, f"the mutated worker failed: {one if isinstance(one, str) else two}")
    error, tensor = worst(two, one)
    return Outcome(mutation, error > REPLICA_TOLERANCE, f"6 replicas: weights {error:.2g}, {tensor}")


@contextmanager
def patched_worker(mutation: Mutation) -> Iterator[None]:
    """Workers start with the mutation."""
    original = launch.worker_command

    def command(cell: Cell, cell_path: Path) -> list[str]:
        module = f"{framework(cell.framework).wing}.mutations"
        return [cell.python or sys.executable, "-m", module, mutation.function, str(cell_path)]

    launch.worker_command = command
    try:
        yield
    finally:
        launch.worker_command = original
