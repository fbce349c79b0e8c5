"""Both wings' answers to some tasks, judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.verify.checks import Check
from bench.verify.rungs import judge
from bench.verify.wings import WINGS, Probe, ask
from shared.probe import Task


def checks_of(tasks: Sequence[Task], folder: Path, mutation: str = "") -> list[Check]:
    """The checks of all tasks; a wing's processes are gone at the end.

    Args:
        mutation: planted in both wings' processes first, if any.
    """
    checks: list[Check] = []
    probes = [Probe(wing, list(tasks), folder / wing, mutation) for wing in WINGS]
    try:
        ask(probes, list(tasks), lambda *answers: checks.extend(judge(*answers)))
    finally:
        for probe in probes:
            probe.close()
    return checks
