"""Larger variants climb the rungs of one replica. A file of its own, as files are shared out among test processes."""

from pathlib import Path

import pytest
from climbing import climb

from bench.verify.samples import make_material
from bench.verify.tasks import make_tasks
from shared.spec import load

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")


@pytest.mark.parametrize("workload", ["effnet-b2", "effnet-b4"])
def test_larger_twins_pass_the_rungs_of_one_replica(workload: str, tmp_path: Path) -> None:
    """Forward (also at the published 384 px), backward, trajectory; replicas and accuracy are B0's test."""
    spec = load(workload)
    tasks = [task for task in make_tasks(spec, make_material(spec, tmp_path)) if task.kind != "accuracy"]
    checks = climb(tasks, tmp_path)
    broken = [check.line() for check in checks if not check.passed]
    assert not broken
    assert {check.name for check in checks} >= {"forward-fp64-384px", "forward-fp32-384px", "trajectory-fp64"}
