"""Larger variants on the rungs of one replica. A file of its own, as files are shared out among test processes."""

from pathlib import Path

import pytest

from bench.verify.samples import make_material
from bench.verify.tasks import make_tasks
from shared.spec import load
from tests.bench.verify.rungs_of import checks_of

pytest.importorskip("torch", reason="the ladder compares both wings; PyTorch is not installed")
pytest.importorskip("tensorflow", reason="the ladder compares both wings; TensorFlow is not installed")


def test_a_larger_variant_passes_the_rungs_of_one_replica(tmp_path: Path) -> None:
    """Replicas and predictions are B0's."""
    spec = load("effnet-b2", "quick").overridden({"input.image_size": 32}, "test")
    tasks = [task for task in make_tasks(spec, make_material(spec, tmp_path)) if task.kind != "predictions"]
    checks = checks_of(tasks, tmp_path)
    assert [check.line() for check in checks if not check.passed] == []
    assert {check.name for check in checks} >= {"forward-fp64", "trajectory-fp64"}


def test_the_largest_gives_the_same_logits_at_the_published_size(tmp_path: Path) -> None:
    spec = load("effnet-b4", "full")
    tasks = [task for task in make_tasks(spec, make_material(spec, tmp_path)) if task.kind == "forward"]
    checks = checks_of(tasks, tmp_path)
    assert [check.line() for check in checks if not check.passed] == []
    assert {check.name for check in checks} >= {"forward-fp64", "forward-fp64-384px", "forward-fp32-384px"}
