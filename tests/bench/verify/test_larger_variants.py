"""Larger variants on the rungs of one replica. A file of its own, as files are shared out among test processes."""

from pathlib import Path

import pytest

from bench.verify.samples import make_material
from bench.verify.tasks import make_tasks
from shared.spec import load
from tests.bench.verify.rungs_of import checks_of

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")


@pytest.mark.parametrize(
    ("workload", "preset", "forwards"),
    [("effnet-b2", "quick", set()), ("effnet-b4", "full", {"forward-fp64-384px", "forward-fp32-384px"})],
)
def test_larger_variants_pass_the_rungs_of_one_replica(
    workload: str, preset: str, forwards: set[str], tmp_path: Path
) -> None:
    """Forward (of the largest at the published 384 px too), backward, trajectory; replicas and predictions are B0's."""
    spec = load(workload, preset)
    tasks = [task for task in make_tasks(spec, make_material(spec, tmp_path)) if task.kind != "predictions"]
    checks = checks_of(tasks, tmp_path)
    broken = [check.line() for check in checks if not check.passed]
    assert not broken
    assert {check.name for check in checks} >= {"forward-fp64", "trajectory-fp64", *forwards}
