"""The converter of Keras checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from shared.families.efficientnet import FAMILY  # noqa: E402
from shared.families.efficientnet.architecture import architecture  # noqa: E402
from shared.families.efficientnet.convert import to_keras  # noqa: E402
from shared.family import Weights  # noqa: E402
from shared.weights import read_weights  # noqa: E402
from tf_impl import convert  # noqa: E402

ARCH = architecture("b0", 7)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return tiny.weights(ARCH)


@pytest.fixture(scope="module")
def file(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as the library itself leaves it."""
    path = tmp_path_factory.mktemp("keras") / "b0.weights.h5"
    model = keras.applications.EfficientNetB0(weights=None, classes=7)
    theirs = to_keras(weights, "b0")
    for variable in model.variables:
        if variable.path in theirs:
            variable.assign(theirs[variable.path])
    model.save_weights(path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit status of the command line."""
    monkeypatch.setattr(sys, "argv", ["convert", *map(str, arguments)])
    try:
        return convert.main()
    except SystemExit as stopped:
        return int(stopped.code or 0)


def test_a_file_of_the_library(file: Path, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.safetensors"
    assert run(monkeypatch, "b0", out, "--weights", file, "--classes", 7) == 0
    converted = read_weights(out, FAMILY, ARCH, seed=None)
    assert all(np.array_equal(converted[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("variant", "name", "classes", "message"),
    [
        ("b0", "b0.weights.h5", 16, "no weights of EfficientNet-B0 to be loaded"),
        ("b2", "b0.weights.h5", 7, "no weights of EfficientNet-B2 to be loaded"),
        ("b0", "absent.weights.h5", 7, "absent.weights.h5: no such file"),
        ("b0", "garbage.weights.h5", 7, "no weights of EfficientNet-B0 to be loaded"),
        ("b0", "imagenet", 7, "no weights of EfficientNet-B0 to be loaded"),
        ("b0", "imagenet", 1000, "no network"),
    ],
)
def test_what_does_not_fit_is_one_line_and_exit_2(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variant: str,
    name: str,
    classes: int,
    message: str,
) -> None:
    def offline(*arguments: object, **options: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", offline)
    (file.parent / "garbage.weights.h5").write_bytes(b"garbage")
    origin = name if name == "imagenet" else file.parent / name
    out = tmp_path / "out.safetensors"
    capsys.readouterr()
    assert run(monkeypatch, variant, out, "--weights", origin, "--classes", classes) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("python -m tf_impl.convert")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not out.exists()
