"""The converter of Keras' BERT checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
keras_hub = pytest.importorskip("keras_hub")

from shared.errors import UserError  # noqa: E402
from shared.families.bert import FAMILY  # noqa: E402
from shared.families.bert.architecture import Architecture  # noqa: E402
from shared.families.bert.convert import to_keras_hub  # noqa: E402
from shared.weights import read_weights  # noqa: E402
from tf_impl.families.bert import convert  # noqa: E402

ARCH = Architecture(2, 32, 2, 64, 16, 100, 5, 1e-12, 0.1, 0.1)
DEEPER = replace(ARCH, num_layers=3)
WEIGHTS = FAMILY.initial_weights(DEEPER, 7)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset as the library itself leaves it."""
    network = keras_hub.models.BertBackbone(
        vocabulary_size=100, num_layers=3, num_heads=2, hidden_dim=32, intermediate_dim=64, max_sequence_length=16
    )
    theirs = to_keras_hub(WEIGHTS, 2)
    for variable in network.trainable_variables:
        variable.assign(theirs[variable.path])
    folder = tmp_path_factory.mktemp("preset")
    network.save_to_preset(str(folder))
    return folder


def test_the_first_layers_of_a_deeper_checkpoint(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "encoder_architecture", lambda workload: ARCH)
    out = tmp_path / "out.safetensors"
    convert.convert("bert-6l", str(checkpoint), 1000, out)
    loaded = read_weights(out, FAMILY, ARCH, seed=3)
    start = FAMILY.initial_weights(ARCH, 3)
    for name, value in loaded.items():
        expected = start[name] if name.startswith("classifier.") else WEIGHTS[name]
        assert np.array_equal(value, expected), name


def test_another_size_is_refused_with_both_shapes(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convert, "encoder_architecture", lambda workload: replace(ARCH, intermediate_size=48))
    with pytest.raises(UserError, match=r"layers.0.up.weight is \(64, 32\), wanted \(48, 32\)"):
        convert.convert("bert-6l", str(checkpoint), 1000, tmp_path / "out.safetensors")
    assert not list(tmp_path.glob("out*"))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no BERT"):
        convert.convert("bert-6l", str(tmp_path / "absent"), 1000, tmp_path / "out.safetensors")
