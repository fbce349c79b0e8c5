"""Larger variants climb the rungs of one replica. A file of its own, as files are shared out among test processes."""

from pathlib import Path

import pytest

from bench.verify.rungs import judge
from bench.verify.samples import make_material
from bench.verify.tasks import make_tasks
from bench.verify.wings import Probe, ask
from shared.spec import load

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")


@pytest.mark.parametrize("workload", ["effnet-b2", "effnet-b4"])
def test_larger_twins_pass_the_rungs_of_one_replica(workload: str, tmp_path: Path) -> None:
    """Forward (also at the published 384 px), backward, trajectory; replicas and accuracy are B0's test."""
    spec = load(workload)
    tasks = [task for task in make_tasks(spec, make_material(spec, tmp_path)) if task.kind != "accuracy"]
    checks = []
    probes = [Probe(wing, tasks, tmp_path / wing) for wing in ("pt", "tf")]
    try:
        ask(probes, tasks, lambda *answers: checks.extend(judge(*answers)))
    finally:
        for probe in probes:
            probe.close()
    broken = [check.line() for check in checks if not check.passed]
    assert not broken
    assert {check.name for check in checks} >= {"forward-fp64-384px", "forward-fp32-384px", "trajectory-fp64"}
