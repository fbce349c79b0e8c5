"""Two processes on the CPU, met over gloo."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")

from pt_impl.replicas import Replicas, start  # noqa: E402
from pt_impl.worker import Wing  # noqa: E402
from shared.batches import TrainBatches  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.families import efficientnet  # noqa: E402
from shared.families.efficientnet.batch import PageBatch  # noqa: E402
from shared.family import Weights  # noqa: E402
from shared.store import Store  # noqa: E402
from shared.weights import read_weights  # noqa: E402
from tests.pt_impl import short_network  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WORKLOAD = tiny.workload(model__norm_statistics="fixed", model__norm_momentum=0.5)


@pytest.fixture(scope="module")
def ranks(noise: Store, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank printed, its weights after one step, and its warnings."""
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "WORLD_SIZE": "2",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.pt_impl.two_ranks", str(noise.path), str(folder)]
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | common | {"RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = []
    try:
        for rank, process in enumerate(processes):
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err[-2000:]
            file = folder / f"trained.{rank}.safetensors"
            weights = read_weights(file, efficientnet.FAMILY, tiny.short(WORKLOAD))
            found.append(json.loads(out.splitlines()[-1]) | {"weights": weights, "warnings": err})
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return found


def test_two_replicas_take_the_step_of_one_with_both_their_samples(ranks: list[dict[str, Any]], noise: Store) -> None:
    step = short_network.make_step(WORKLOAD, "fp32", 1)
    batch = PageBatch(*(torch.from_numpy(array) for array in TrainBatches(noise, WORKLOAD, 0, 2).batch(0)))
    step.train(batch, 0.1)
    expected: Weights = short_network.weights_of(step.network)
    start = tiny.weights(tiny.short(WORKLOAD))
    for rank in ranks:
        for name in ("stem.conv.weight", "blocks.3.depthwise.conv.weight", "head.norm.bias", "classifier.weight"):
            moved = expected[name] - start[name]
            assert tiny.closeness(rank["weights"][name] - start[name], moved) < 1e-2, name
            assert tiny.closeness(rank["weights"][name], expected[name]) < 1e-5, name


def test_without_an_exchange_each_replica_takes_its_own_step(ranks: list[dict[str, Any]], noise: Store) -> None:
    for index, rank in enumerate(ranks):
        step = short_network.make_step(WORKLOAD, "fp32", 1)
        share = PageBatch(*(torch.from_numpy(array) for array in TrainBatches(noise, WORKLOAD, 0, 2).batch(0, index)))
        step.train(share, 0.1)
        expected = short_network.weights_of(step.network)["classifier.bias"]
        assert tiny.closeness(np.array(rank["alone"]), expected) < 1e-5
    assert tiny.closeness(np.array(ranks[0]["alone"]), np.array(ranks[1]["alone"])) > 1e-3


def test_gradients_fit_the_buckets(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert "strides" not in rank["warnings"]
        assert "Warning" not in rank["warnings"]


def test_evaluation_counts_every_page_once_over_both(ranks: list[dict[str, Any]], noise: Store) -> None:
    assert [len(rank["logits"]) for rank in ranks] == [3, 2]
    assert [len(rank["rows"]) for rank in ranks] == [3, 2]
    assert sorted(ranks[0]["rows"] + ranks[1]["rows"]) == noise.indices("val").tolist()


def test_one_replica_that_overflows_makes_both_skip(ranks: list[dict[str, Any]]) -> None:
    assert [rank["skipped"] for rank in ranks] == [True, True]
    assert [rank["scale"] for rank in ranks] == [4.0, 4.0]


def test_a_process_drives_one_replica() -> None:
    alone = Replicas(0, 1, torch.device("cpu"))
    alone.synchronize()
    assert alone.local == 1


def test_the_allocators_peak_is_that_of_this_ranks_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {torch.device("cuda", 1): 7}
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", peaks.__getitem__)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: peaks.update({device: 3}))
    wing = Wing.__new__(Wing)
    wing.group = Replicas(1, 2, torch.device("cuda", 1))
    assert wing.allocator_peak() == 7
    wing.reset_allocator_peak()
    assert wing.allocator_peak() == 3
    wing.group = Replicas(0, 1, torch.device("cpu"))
    wing.reset_allocator_peak()
    assert wing.allocator_peak() is None


@pytest.mark.parametrize("seen", [0, 1])
def test_fewer_gpus_than_replicas_are_refused(
    monkeypatch: pytest.MonkeyPatch, noise: Store, tmp_path: Path, seen: int
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: seen)
    with pytest.raises(UserError, match=f"PyTorch .* sees {seen} GPUs, the cell needs 2: install"):
        start(tiny.make_cell(tmp_path, noise.path, "pt", replicas=2, device="cuda"))


def test_what_lies_elsewhere_is_refused() -> None:
    here, elsewhere = torch.zeros(1), torch.zeros(1, device="meta")
    group = Replicas(1, 2, torch.device("cpu"))
    group.require_placed("the loss", [here, here])
    with pytest.raises(UserError, match="the loss of replica 1 lies on meta, not on cpu"):
        group.require_placed("the loss", [here, elsewhere])
