"""Whole cells through both wings' workers, each in a process of its own as the harness starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from shared.batches import architecture_of
from shared.protocol import Cell, read_events
from shared.store import Store
from shared.weights import load_weights

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from pt_impl.model import EfficientNet as TorchNetwork  # noqa: E402
from tf_impl.model import EfficientNet as TensorFlowNetwork  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Finished = dict[str, tuple[Cell, list[dict[str, Any]]]]
PHASES = ["build", "warmup", "measure", "train", "evaluate", "finetune", "evaluate"]


def start(cell: Cell) -> subprocess.CompletedProcess[str]:
    """Run a cell to its end; no process of it survives, whatever happens."""
    directory = Path(cell.directory)
    directory.mkdir(exist_ok=True)
    cell.write(directory / "cell.json")
    command = [sys.executable, "-m", f"{cell.framework}_impl.worker", str(directory / "cell.json")]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


@pytest.fixture(scope="module")
def finished(noise: Store, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Tiny cells, run two at a time, with their events. `pt` and `tf` are one cell: two stages, a checkpoint."""
    # statistics that follow at once: the steps are few, and with stale ones the activations explode
    changes = {"train__batch_per_replica": 4, "model__norm_momentum": 0.5, "finetune__peak_rate": 0.01}
    whole = {"workload": tiny.workload(**changes), "finetune": True}
    folder = tmp_path_factory.mktemp("cells")
    kinds: dict[str, dict[str, Any]] = {
        "pt": whole | {"checkpoint": str(folder / "pt.safetensors")},
        "tf": whole | {"checkpoint": str(folder / "tf.safetensors")},
        "pt-native": {"arm": "native", "epochs": 0},
        "tf-native": {"arm": "native", "epochs": 0},
        "pt-bf16": {"precision": "bf16", "input_mode": "device", "epochs": 0},
        "tf-bf16": {"precision": "bf16", "input_mode": "memory", "loader_workers": 0, "epochs": 0},
    }
    cells = {name: tiny.make_cell(folder / name, noise.path, name[:2], **kind) for name, kind in kinds.items()}
    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(cells, pool.map(start, cells.values()), strict=True))
    for name, done in ended.items():
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
    return {name: (cell, read_events(cell.events_path(0))) for name, cell in cells.items()}


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_cell_reports_everything(framework: str, finished: Finished) -> None:
    _, events = finished[framework]
    assert [event["name"] for event in of(events, "phase")] == PHASES
    [settings] = of(events, "settings")
    assert settings["num_parameters"] == 4_028_044
    assert settings["precision"] == "fp32"
    assert of(events, "first_step")[0]["seconds"] > 0.5
    [window] = of(events, "window")
    assert (window["steps"], window["samples"]) == (2, 8)
    assert len(of(events, "step")) == 6
    assert [event["total"] for event in of(events, "eval")] == [12, 5, 3] * 2
    assert all(0 <= event["correct"] <= event["total"] and event["loss"] > 0 for event in of(events, "eval"))
    assert [event["event"] for event in events[-2:]] == ["memory", "done"]


def test_both_wings_report_the_same_training(finished: Finished) -> None:
    [ours, _], [theirs, _] = (of(finished[framework][1], "epoch") for framework in ("pt", "tf"))
    assert ours["rate"] == theirs["rate"]
    assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.05)


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_checkpoint_gives_the_same_logits_in_both_wings(framework: str, finished: Finished) -> None:
    cell, _ = finished[framework]
    arch = architecture_of(cell.workload)
    weights = {name: value.astype(np.float64) for name, value in load_weights(str(cell.checkpoint), arch).items()}
    images = np.random.default_rng(0).standard_normal((3, 64, 64, 3))
    with torch.no_grad():
        ours = TorchNetwork(arch, weights, 0.99, 1e-3)(torch.tensor(images).permute(0, 3, 1, 2))
    theirs = TensorFlowNetwork(arch, weights, 0.99, 1e-3)(tf.constant(images))
    assert tiny.closeness(ours, theirs) < 1e-9


@pytest.mark.parametrize("name", ["pt-native", "tf-native", "pt-bf16", "tf-bf16"])
def test_other_arms_and_precisions_run(finished: Finished, name: str) -> None:
    cell, events = finished[name]
    assert len(of(events, "step")) == 3
    assert len(of(events, "window")) == 1
    assert of(events, "settings")[0]["precision"] == cell.precision
    assert events[-1]["event"] == "done"


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_store_that_is_missing_is_reported(tmp_path: Path, framework: str) -> None:
    cell = tiny.make_cell(tmp_path, tmp_path / "absent", framework)
    done = start(cell)
    assert done.returncode not in (0, 77)
    [error] = of(read_events(cell.events_path(0)), "error")
    assert error["kind"] == "error"
    assert "no such store" in error["message"]
    assert "\n" not in error["message"]
