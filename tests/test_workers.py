"""Whole cells through both wings' workers, each in a process of its own as the harness starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cells.launch import worker_command
from shared.batches import TrainBatches
from shared.events import (
    Epoch,
    Evaluation,
    Event,
    Failure,
    FirstStep,
    Parts,
    Phase,
    Settings,
    Step,
    Window,
    of_kind,
    read_events,
)
from shared.families import efficientnet
from shared.parts import PARTS, ROUNDS
from shared.protocol import Cell
from shared.store import SPLITS, Store
from shared.weights import load_weights, save_weights
from tests import tiny, tiny_text

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from pt_impl.families.efficientnet import inputs as torch_inputs  # noqa: E402
from pt_impl.families.efficientnet.network import EfficientNet as TorchNetwork  # noqa: E402
from pt_impl.networks import weights_of  # noqa: E402
from tf_impl.families.efficientnet import inputs as tensorflow_inputs  # noqa: E402
from tf_impl.families.efficientnet.network import EfficientNet as TensorFlowNetwork  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Finished = dict[str, tuple[Cell, list[Event]]]
PHASES = ["build", "warmup", "measure", "train", "evaluate", "finetune", "evaluate"]


def start(cell: Cell) -> subprocess.CompletedProcess[str]:
    """Run a cell to its end, as the harness launches it; no process of it survives, whatever happens."""
    directory = Path(cell.directory)
    directory.mkdir(exist_ok=True)
    cell.write(directory / "cell.json")
    command = worker_command(cell, directory / "cell.json")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=300)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the ranks of a launcher, and their loaders
        process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_all(cells: dict[str, Cell]) -> None:
    """Run cells to their ends, two at a time; each must end well."""
    with ThreadPoolExecutor(2) as pool:
        ended = dict(zip(cells, pool.map(start, cells.values()), strict=True))
    for name, done in ended.items():
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"


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
    parts = {"input_mode": "device", "epochs": 0, "replicas": 2, "exchange": False, "parts": True}
    kinds |= {"pt-parts": parts, "tf-parts": parts}
    cells = {name: tiny.make_cell(folder / name, noise.path, name[:2], **kind) for name, kind in kinds.items()}
    run_all(cells)
    return {name: (cell, read_events(cell.events_path(0))) for name, cell in cells.items()}


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_cell_reports_everything(framework: str, finished: Finished) -> None:
    _, events = finished[framework]
    assert [event.name for event in of_kind(events, Phase)] == PHASES
    [settings] = of_kind(events, Settings)
    assert settings.values["num_parameters"] == 4_028_044
    assert settings.values["precision"] == "fp32"
    assert of_kind(events, FirstStep)[0].seconds > 0
    [window] = of_kind(events, Window)
    assert (window.steps, window.samples) == (2, 8)
    assert (window.tokens, window.retraces) == (None, 0)
    assert len(of_kind(events, Step)) == 6
    assert [event.counts["samples"] for event in of_kind(events, Evaluation)] == [12, 5, 3] * 2
    for counts in (event.counts for event in of_kind(events, Evaluation)):
        assert 0 <= counts["correct"] <= counts["samples"] and counts["loss"] > 0
    assert [event.event for event in events[-2:]] == ["memory", "done"]


def test_both_wings_report_the_same_training(finished: Finished) -> None:
    [ours, _], [theirs, _] = (of_kind(finished[framework][1], Epoch) for framework in ("pt", "tf"))
    assert ours.learning_rate == theirs.learning_rate
    assert ours.loss == pytest.approx(theirs.loss, rel=0.05)


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_checkpoint_gives_the_same_logits_in_both_wings(framework: str, finished: Finished) -> None:
    cell, _ = finished[framework]
    arch = replace(efficientnet.FAMILY.architecture(cell.workload), norm_momentum=0.99, norm_epsilon=1e-3)
    loaded = load_weights(str(cell.checkpoint), cell.workload)
    weights = {name: value.astype(np.float64) for name, value in loaded.items()}
    images = np.random.default_rng(0).standard_normal((3, 64, 64, 3))
    with torch.no_grad():
        ours = TorchNetwork(arch, weights)(torch_inputs.Inputs(torch.tensor(images).permute(0, 3, 1, 2)))
    theirs = TensorFlowNetwork(arch, weights)(tensorflow_inputs.Inputs(tf.constant(images)))
    assert tiny.closeness(ours, theirs) < 1e-9


@pytest.mark.parametrize("name", ["pt-native", "tf-native", "pt-bf16", "tf-bf16"])
def test_other_arms_and_precisions_run(finished: Finished, name: str) -> None:
    cell, events = finished[name]
    assert len(of_kind(events, Step)) == 3
    assert len(of_kind(events, Window)) == 1
    assert of_kind(events, Settings)[0].values["precision"] == cell.precision
    assert events[-1].event == "done"


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_the_parts_of_a_step_are_timed_without_an_exchange(finished: Finished, framework: str) -> None:
    _, events = finished[f"{framework}-parts"]
    [settings], [window], [parts] = (of_kind(events, kind) for kind in (Settings, Window, Parts))
    assert settings.values["reduction"] == "none"
    assert window.samples == 2 * 2 * (1 if framework == "pt" else 2)  # of this process's replicas
    assert set(parts.seconds) == set(PARTS)
    assert all(len(seconds) == ROUNDS and min(seconds) > 0 for seconds in parts.seconds.values())
    # a backward pass that nothing is read from is left out of a graph: a third of the step would remain
    # (of each part the round that nothing disturbed)
    least = {part: min(seconds) for part, seconds in parts.seconds.items()}
    assert least["forward_backward"] > 0.5 * least["step"]
    assert events[-1].event == "done"


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_store_that_is_missing_is_reported(tmp_path: Path, framework: str) -> None:
    cell = tiny.make_cell(tmp_path, tmp_path / "absent", framework)
    done = start(cell)
    assert done.returncode not in (0, 77)
    [error] = of_kind(read_events(cell.events_path(0)), Failure)
    assert error.kind == "error"
    assert "no such store" in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("framework", ["pt", "tf"])
def test_a_cell_on_gpus_that_its_framework_does_not_see_is_refused(
    noise: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, framework: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    cell = tiny.make_cell(tmp_path, noise.path, framework, device="cuda")
    done = start(cell)
    assert done.returncode == 1
    [error] = of_kind(read_events(cell.events_path(0)), Failure)
    assert error.kind == "error"
    assert re.match(r"(PyTorch|TensorFlow) \S+ sees 0 GPUs, the cell needs 1: install", error.message)
    assert "Traceback" not in done.stderr


TextCells = dict[tuple[str, int], Cell]


@pytest.fixture(scope="module")
def text_cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, TextCells]:
    """Cells of one training on texts, in both wings at one and two replicas of the same global batch."""
    folder = tmp_path_factory.mktemp("text-cells")
    store = tiny_text.make_store(folder / "store", long_ones=4)
    cells = {}
    for framework in ("pt", "tf"):
        for replicas in (1, 2):
            workload = tiny_text.workload(
                train__batch_per_replica=4 // replicas, input__buckets=(24,), measure__measured_steps=6
            )
            cells[framework, replicas] = tiny.make_cell(
                folder / f"{framework}-{replicas}",
                store.path,
                framework,
                workload=workload,
                replicas=replicas,
                predictions=True,
                epochs=2,
            )
    run_all({f"{framework} {replicas}": cell for (framework, replicas), cell in cells.items()})
    return store, cells


def ranks(cell: Cell) -> range:
    return range(cell.replicas if cell.framework == "pt" else 1)


def predicted(cell: Cell, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples and probabilities of a split over all ranks, in the samples' order."""
    samples, probabilities = [], []
    for rank in ranks(cell):
        with np.load(cell.predictions_path(rank), allow_pickle=False) as file:
            samples.append(file[f"{split}.samples"])
            probabilities.append(file[f"{split}.probabilities"])
    order = np.concatenate(samples).argsort()
    return np.concatenate(samples)[order], np.concatenate(probabilities)[order]


@pytest.mark.parametrize("framework", ["pt", "tf"])
@pytest.mark.parametrize("replicas", [1, 2])
def test_a_cell_of_texts_reports_everything(text_cells: tuple[Store, TextCells], framework: str, replicas: int) -> None:
    store, cells = text_cells
    cell = cells[framework, replicas]
    events = [read_events(cell.events_path(rank)) for rank in ranks(cell)]
    windows = [of_kind(rank_events, Window)[0] for rank_events in events]
    batches = TrainBatches(store, cell.workload, cell.seed, replicas)
    steps = [batches.samples(step) for step in range(1, 7)]
    assert sum(window.samples for window in windows) == 6 * 4
    assert sum(window.tokens for window in windows) == sum(store.lengths[samples].sum() for samples in steps)
    assert {batches.batch(step).tokens.shape[1] for step in range(7)} == {24, 32}, "both widths must occur"
    assert [window.retraces for window in windows] == [0] * len(windows)
    for rank_events in events:
        assert rank_events[-1].event == "done"
        assert of_kind(rank_events, Settings)[0].values["attention"]
    samples = [[event.counts["samples"] for event in of_kind(of_rank, Evaluation)] for of_rank in events]
    assert np.sum(samples, axis=0).tolist() == [24, 7, 5]


def test_predictions_on_texts_agree_over_wings_and_replicas(text_cells: tuple[Store, TextCells]) -> None:
    store, cells = text_cells
    for split in SPLITS:
        samples, reference = predicted(cells["pt", 1], split)
        assert samples.tolist() == store.indices(split).tolist()
        assert reference.shape == (len(samples), tiny_text.CLASSES)
        np.testing.assert_allclose(reference.sum(1), 1.0, atol=1e-6)
        for cell in cells.values():
            others, probabilities = predicted(cell, split)
            assert others.tolist() == samples.tolist()
            np.testing.assert_allclose(probabilities, reference, atol=1e-4, err_msg=f"{cell.cell_id} {cell.replicas}")
    # a training that changed nothing would agree as well
    losses = [[event.loss for event in of_kind(read_events(cell.events_path(0)), Epoch)] for cell in cells.values()]
    assert all(last < first for first, last in losses)


def test_predictions_on_pages_of_both_wings(noise: Store, tmp_path: Path) -> None:
    """The last stage alone, from the same weights: the classifier is trained on the same features in both wings."""
    workload = tiny.workload(train__batch_per_replica=4, finetune__peak_rate=0.01)
    arch = replace(efficientnet.FAMILY.architecture(workload), norm_momentum=1e-9, norm_epsilon=1e-3)
    with torch.no_grad():  # weights whose statistics are the pages': with random ones the activations explode
        network = TorchNetwork(arch, tiny.weights(arch))
        pages = torch.tensor(noise.pixels[:8]).float()[:, None].expand(-1, 3, -1, -1) / 255.0
        network(torch_inputs.Inputs((pages - 0.45) / 0.225), training=True)
    save_weights(tmp_path / "start.safetensors", weights_of(network, workload))
    splits = np.array([0, 1, 2, -1] * 5, np.int8)
    np.save(tmp_path / "splits.npy", splits)
    changes: dict[str, Any] = {
        "workload": workload,
        "epochs": 0,
        "finetune": True,
        "predictions": True,
        "weights": str(tmp_path / "start.safetensors"),
        "splits": str(tmp_path / "splits.npy"),
    }
    cells = {wing: tiny.make_cell(tmp_path / wing, noise.path, wing, **changes) for wing in ("pt", "tf")}
    run_all(cells)
    for code, split in enumerate(SPLITS):
        (ours, left), (theirs, right) = (predicted(cell, split) for cell in cells.values())
        assert ours.tolist() == theirs.tolist() == np.flatnonzero(splits == code).tolist()
        assert left.std(0).max() > 1e-3, "pages that look alike prove nothing"
        np.testing.assert_allclose(left, right, atol=1e-4)
    for cell in cells.values():
        events = read_events(cell.events_path(0))
        assert [event.name for event in of_kind(events, Phase)] == ["build", "finetune", "evaluate"]
        assert len(of_kind(events, Step)) == 1
