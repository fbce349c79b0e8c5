"""The converter of Hugging Face' BERT checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from pt_impl.families.bert import convert  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.families.bert import FAMILY  # noqa: E402
from shared.families.bert.architecture import Architecture  # noqa: E402
from shared.families.bert.convert import to_transformers  # noqa: E402
from shared.weights import read_weights  # noqa: E402

ARCH = Architecture(2, 32, 2, 64, 16, 100, 5, 1e-12, 0.1, 0.1)
DEEPER = replace(ARCH, num_layers=3)
WEIGHTS = FAMILY.initial_weights(DEEPER, 7)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the library itself leaves it."""
    config = transformers.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=16,
    )  # fmt: skip
    network = transformers.BertModel(config)
    theirs = {name.removeprefix("bert."): torch.tensor(v) for name, v in to_transformers(WEIGHTS).items()}
    assert not network.load_state_dict(theirs, strict=False).missing_keys
    folder = tmp_path_factory.mktemp("checkpoint")
    network.save_pretrained(folder)
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
