"""Rung 6: R replicas of n samples equal one of R * n, and the wings agree at R = 2, through the workers themselves.

With the settings that the family's ladder names (fixed batch-norm statistics, say: with those of the batch, R x n and
1 x Rn are different computations).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from bench.cells.launch import Limits, run_cell
from bench.host.machine import usable_cores
from bench.host.worker_environment import worker_environment
from bench.verify.checks import Check, within
from bench.verify.compare import Arrays, worst
from bench.verify.rungs import REPLICA_TOLERANCE
from bench.verify.samples import SEED, Material, rung_workload
from bench.verify.wings import WINGS
from shared.families import family_of
from shared.protocol import Cell
from shared.spec import Workload
from shared.weights import save_weights

NUM_STEPS = 5
PEAK_RATE = 0.001  # low: without batch norm, five steps at the workload's own rates amplify rounding errors


def replica_workload(workload: Workload, replicas: int) -> Workload:
    """The rung's computation with a replica's share of the global batch."""
    ladder = family_of(workload).ladder
    changes = {
        "train.batch_per_replica": ladder.batch // replicas,
        "measure.warmup_steps": 1,
        "measure.measured_steps": NUM_STEPS - 1,
        "schedule.peak_rate": PEAK_RATE,
    }
    return rung_workload(workload).overridden({**changes, **ladder.replicas}, "ladder")


def calibrated_weights(material: Material, forward_answer: Arrays) -> Path:
    """The ladder's weights with the statistics of a batch (a forward rung's answer): with the initial ones, means 0 and
    variances 1, a deep network's values explode."""
    path = material.folder / "calibrated.safetensors"
    weights = load_file(material.weights)
    weights |= {name: value.astype(np.float32) for name, value in forward_answer.items() if name in weights}
    save_weights(path, weights)
    return path


def trained_weights(
    workload: Workload, wing: str, replicas: int, material: Material, weights: Path, python: str | None = None
) -> Arrays | str:
    """Weights after NUM_STEPS steps of the wing's worker (in `python`; None: this one), or why there are none."""
    cores = usable_cores()
    directory = material.folder / f"replicas-{wing}-{replicas}"
    checkpoint = material.folder / f"replicas-{wing}-{replicas}.safetensors"
    cell = Cell(
        cell_id=directory.name,
        framework=wing,
        arm="matched",
        replicas=replicas,
        device="cpu",
        precision="fp32",
        input_mode="disk",
        repeat=0,
        seed=SEED,
        workload=replica_workload(workload, replicas),
        store=str(material.small),
        directory=str(directory),
        cores=tuple((cores[replica % len(cores)],) for replica in range(replicas)),
        loader_workers=0,
        weights=str(weights),
        checkpoint=str(checkpoint),
        python=python,
    )
    outcome = run_cell(cell, worker_environment(cell, tune=True), Limits(), lambda _: None)
    if outcome.status != "ok":
        return f"{wing} with {replicas} replicas: {outcome.status}, {outcome.reason} (log: {directory / 'log.txt'})"
    return load_file(checkpoint)


def check_replicas(
    workload: Workload,
    material: Material,
    forward_answer: Arrays | None,
    say: Callable[[str], None],
    pythons: Mapping[str, str | None],
) -> list[Check]:
    """The rung's checks."""
    if forward_answer is None:
        return [Check(6, "replicas", "answers missing", math.inf, 0.0, False, "needs the statistics of rung 3")]
    weights, batch = calibrated_weights(material, forward_answer), family_of(workload).ladder.batch
    trained = {}
    for wing in WINGS:
        for replicas in (1, 2):
            say(f"       6 replicas: {wing}, {replicas} x {batch // replicas} samples, {NUM_STEPS} steps")
            trained[wing, replicas] = trained_weights(workload, wing, replicas, material, weights, pythons[wing])
    pairs = [
        *((f"{wing}: 2 x n against 1 x 2n", trained[wing, 2], trained[wing, 1]) for wing in WINGS),
        *((f"{a} against {b} at 2 replicas", trained[a, 2], trained[b, 2]) for a, b in combinations(WINGS, 2)),
    ]
    return [compared(what, a, b) for what, a, b in pairs]


def compared(what: str, a: Arrays | str, b: Arrays | str) -> Check:
    """One comparison of two trainings; one that failed breaks it."""
    failed = next((outcome for outcome in (a, b) if isinstance(outcome, str)), None)
    if failed is not None or isinstance(a, str) or isinstance(b, str):
        return Check(6, "replicas", what, math.inf, REPLICA_TOLERANCE, False, failed or "")
    error, tensor = worst(a, b)
    return within(6, "replicas", f"{what}: weights", error, REPLICA_TOLERANCE, tensor)
