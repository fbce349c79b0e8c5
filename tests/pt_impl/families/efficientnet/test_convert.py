"""The converter of Hugging Face checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from shared.families.efficientnet import FAMILY  # noqa: E402
from shared.families.efficientnet.architecture import architecture  # noqa: E402
from shared.families.efficientnet.convert import to_transformers  # noqa: E402
from shared.family import Weights  # noqa: E402
from shared.weights import read_weights, save_weights  # noqa: E402
from tests.pt_impl.convert_command import run  # noqa: E402

ARCH = architecture("b0", 7)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return tiny.weights(ARCH)


@pytest.fixture(scope="module")
def folder(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as the library itself leaves it."""
    path = tmp_path_factory.mktemp("hub") / "checkpoint"
    network = transformers.EfficientNetForImageClassification(
        transformers.EfficientNetConfig(
            image_size=64, width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, num_labels=7
        )
    )
    state = {name: torch.tensor(value) for name, value in to_transformers(weights).items()}
    assert not network.load_state_dict(state, strict=False).unexpected_keys
    network.save_pretrained(path)
    return path


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_a_folder_of_the_library(
    folder: Path, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.safetensors"
    assert run(monkeypatch, "b0", out, "--weights", folder, "--classes", 7) == 0
    converted = read_weights(out, FAMILY, ARCH, seed=None)
    assert all(np.array_equal(converted[name], weights[name]) for name in weights)
    direct = read_weights(folder, FAMILY, ARCH, seed=None)
    assert all(np.array_equal(direct[name], weights[name]) for name in weights)


def test_a_file(folder: Path, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.safetensors"
    assert run(monkeypatch, "b0", out, "--weights", folder / "model.safetensors", "--classes", 7) == 0
    assert np.array_equal(read_weights(out, FAMILY, ARCH, seed=None)["head.norm.bias"], weights["head.norm.bias"])


@pytest.mark.parametrize(
    ("variant", "weights_argument", "classes", "message"),
    [
        ("b0", "{folder}", 16, "classifier.weight is (7, 1280), wanted (16, 1280)"),
        ("b2", "{folder}", 7, "checkpoint: "),
        ("b0", "{folder}/absent", 7, "no weights there"),
        ("b0", "{folder}/absent.safetensors", 7, "no weights there"),
        ("b0", "no-such-owner/no-such-model", 7, "no-such-owner/no-such-model: no EfficientNet in safetensors"),
        ("b0", "{pickled}", 7, "no EfficientNet in safetensors"),
        ("b0", "{pickled}/pytorch_model.bin", 7, "a pickled checkpoint could run code"),
        ("b0", "{headless}", 7, "lacks classifier.bias (2 tensors)"),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_2(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variant: str,
    weights_argument: str,
    classes: int,
    message: str,
) -> None:
    pickled, headless = tmp_path / "pickled", tmp_path / "headless"
    for path in (pickled, headless):
        path.mkdir()
        (path / "config.json").write_bytes((folder / "config.json").read_bytes())
    torch.save({}, pickled / "pytorch_model.bin")
    tensors = to_transformers(tiny.weights(ARCH))
    save_weights(
        headless / "model.safetensors", {name: value for name, value in tensors.items() if "classifier" not in name}
    )
    origin = weights_argument.format(folder=folder, pickled=pickled, headless=headless)
    out = tmp_path / "out.safetensors"
    capsys.readouterr()
    assert run(monkeypatch, variant, out, "--weights", origin, "--classes", classes) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m pt_impl.convert")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not out.exists()
