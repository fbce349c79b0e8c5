"""Two replicas on the CPU, in a process of their own: devices are set before TensorFlow is first used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")

from shared.batches import TrainBatches  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.families.efficientnet.batch import PageBatch  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.tf_impl import short_network  # noqa: E402
from tf_impl.replicas import Replicas, start  # noqa: E402
from tf_impl.worker import Wing  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(noise: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("replicas")
    command = [sys.executable, "-m", "tests.tf_impl.two_replicas", str(noise.path), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_every_replica_gets_its_share_in_order(found: dict[str, Any]) -> None:
    assert found["in_order"] == [True, True, True]


def test_as_many_loaders_work_at_once_as_the_record_says(found: dict[str, Any]) -> None:
    """Four per replica, though the process has two inter-op threads; also through the iterator that GPUs have."""
    for seen in found["loaders"]:
        assert len(seen) == 16
        assert max(seen) == 8


def test_each_replicas_share_lies_on_its_own_device(found: dict[str, Any]) -> None:
    """Else every step copies all of them from the first one."""
    own = [f"/job:localhost/replica:0/task:0/device:CPU:{number}" for number in range(2)]
    assert found["placed"]["resident"] == [own] * 10
    assert found["placed"]["logits"] == own
    assert found["placed"]["said"].startswith(f"the logits of replica 0 lies on {own[1]}, not on {own[0]}")


@pytest.mark.parametrize("seen", [0, 1])
def test_fewer_gpus_than_replicas_are_refused(
    monkeypatch: pytest.MonkeyPatch, noise: Store, tmp_path: Path, seen: int
) -> None:
    """Soft placement would put the other replicas on the CPU, in a cell that says cuda."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU"] * seen)
    with pytest.raises(UserError, match=f"TensorFlow .* sees {seen} GPUs, the cell needs 2: install"):
        start(tiny.make_cell(tmp_path, noise.path, "tf", replicas=2, device="cuda"))


def test_evaluation_counts_every_page_once_over_both(found: dict[str, Any], noise: Store) -> None:
    assert len(found["logits"]) == 5
    assert sorted(found["rows"]) == noise.indices("val").tolist()


def test_one_replica_that_overflows_makes_both_skip(found: dict[str, Any]) -> None:
    assert found["skipped"] == [True, True]
    assert found["scale"] == 4.0


def test_without_an_exchange_each_replica_takes_its_own_step(found: dict[str, Any], noise: Store) -> None:
    workload = tiny.workload(model__norm_momentum=0.5)
    for index, bias in enumerate(found["alone"]):
        step = short_network.make_step(workload)
        share = TrainBatches(noise, workload, 0, 2).batch(0, index)
        step.train(PageBatch(*(tf.constant(array) for array in share)), 0.1)
        assert tiny.closeness(np.array(bias), step.network.classifier.bias.numpy()) < 1e-4
    assert tiny.closeness(np.array(found["alone"][0]), np.array(found["alone"][1])) > 1e-3


def test_the_next_step_moves_both_alike(found: dict[str, Any]) -> None:
    assert found["moved_alike"]


def test_the_allocators_peak_is_the_largest_of_all_gpus(monkeypatch: pytest.MonkeyPatch, noise: Store) -> None:
    peaks = {"GPU:0": 7, "GPU:1": 9}
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda device: {"peak": peaks[device]})
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", lambda device: peaks.update({device: 3}))
    wing = Wing.__new__(Wing)
    wing.cell = tiny.make_cell(noise.path, noise.path, "tf", replicas=2, device="cuda")
    wing.group = Replicas(0, 2, tf.distribute.get_strategy())
    assert wing.allocator_peak() == 9
    wing.reset_allocator_peak()
    assert (wing.allocator_peak(), set(peaks.values())) == (3, {3})
    wing.cell = tiny.make_cell(noise.path, noise.path, "tf")
    wing.reset_allocator_peak()
    assert wing.allocator_peak() is None
