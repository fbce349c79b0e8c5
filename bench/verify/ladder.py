"""The equality ladder: prove that both wings compute the same, and keep the certificate."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bench.host.environments.choice import wing_pythons
from bench.host.interpreters import versions_of
from bench.host.locations import results_directory
from bench.records import certificates
from bench.verify.checks import Check
from bench.verify.compare import Arrays
from bench.verify.replicas import check_replicas
from bench.verify.rungs import judge
from bench.verify.samples import make_material, rung_workload
from bench.verify.tasks import make_tasks
from bench.verify.wings import ask, start_probes
from shared.errors import UserError
from shared.families import family_of
from shared.frameworks import FRAMEWORKS
from shared.probe import Task
from shared.spec import Workload

CALIBRATION_TASK = "forward-fp64"

Say = Callable[[str], None]


def certify(
    workload: Workload, say: Say, corpus: str | None = None, pythons: certificates.Pythons | None = None
) -> certificates.Certificate:
    """Run the ladder for a workload and store the outcome.

    Args:
        say: takes a line of progress, a check's outcome each.
        corpus: a store with tokens, of a text workload, whose texts both wings tokenise as well.
        pythons: each wing's interpreter (None: this one); None as a whole: those that `bench run` takes.

    Raises:
        UserError: a framework is missing.
    """
    chosen = wing_pythons() if pythons is None else pythons
    for wing, framework in FRAMEWORKS.items():
        if versions_of(chosen[wing])[framework.module] is None:
            raise UserError(
                f"the ladder compares both wings, and {framework.module} is missing: pip install 'twinbench[{wing}]' "
                f"or `bench env create {wing}`"
            )
    checks = run_rungs(workload, fresh_folder(workload), say, corpus, chosen)
    outcome = all(check.passed for check in checks), [check.as_dict() for check in checks]
    certificate = certificates.new(workload, *outcome, chosen)
    certificates.store(certificate)
    return certificate


def fresh_folder(workload: Workload) -> Path:
    """An empty working folder; it stays after the ladder, for its logs."""
    folder = results_directory() / "verify" / workload.computation_hash
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run_rungs(
    workload: Workload, folder: Path, say: Say, corpus: str | None, pythons: certificates.Pythons
) -> list[Check]:
    """All rungs; a broken one does not stop the others, so that the first cause can be seen among its effects."""
    say(f"equality ladder of {workload.name} ({workload.preset}): making samples and weights")
    material = make_material(workload, folder)
    tasks = make_tasks(workload, material, corpus)
    checks: list[Check] = []
    calibration: list[Arrays | None] = [None]

    def on_answers(task: Task, pt: Arrays | None, tf: Arrays | None, why_missing: str) -> None:
        found = judge(task, pt, tf, why_missing)
        checks.extend(found)
        for check in found:
            say(check.line())
        if task.name == CALIBRATION_TASK:
            calibration[0] = pt

    family = family_of(workload)
    num_scalars = family.num_trained(family.architecture(rung_workload(workload)))
    probes = start_probes(tasks, folder, pythons, num_scalars, say)
    try:
        ask(probes, tasks, on_answers)
    finally:
        for probe in probes:
            probe.close()
    for check in check_replicas(workload, material, calibration[0], say, pythons):
        checks.append(check)
        say(check.line())
    return checks
