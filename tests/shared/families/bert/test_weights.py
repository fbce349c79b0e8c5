"""A text network's starting weights: seeded, our own file, a checkpoint of the library; what is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from shared.errors import UserError
from shared.families.bert import FAMILY
from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.convert import to_transformers, transformers_name
from shared.family import Weights
from shared.weights import load_weights, save_weights
from tests import tiny_text

WORKLOAD = tiny_text.workload()
ARCH = tiny_text.architecture(WORKLOAD)
SaveLibrary = Callable[..., Path]


def same(left: Weights, right: Weights) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def head(weights: Weights) -> Weights:
    return {name: value for name, value in weights.items() if name.startswith("classifier")}


def body(weights: Weights) -> Weights:
    return {name: value for name, value in weights.items() if not name.startswith("classifier")}


@pytest.fixture
def save_library(tmp_path: Path) -> SaveLibrary:
    """Saves one of the library's networks as it does itself; returns the folder."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")

    def save(kind: str, layers: int = 2, labels: int = 4, hidden: int = 32) -> Path:
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=64,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=2 * hidden,
            max_position_embeddings=40,
            num_labels=labels,
        )
        getattr(transformers, kind)(config).save_pretrained(tmp_path / kind)
        return tmp_path / kind

    return save


def test_a_file_of_ours_there_and_back(tmp_path: Path) -> None:
    weights = tiny_text.weights(ARCH)
    save_weights(tmp_path / "own.safetensors", weights)
    assert same(load_weights(tmp_path / "own.safetensors", WORKLOAD), weights)


def test_a_folder_with_a_classifier(save_library: SaveLibrary) -> None:
    folder = save_library("BertForSequenceClassification")
    theirs = load_file(folder / "model.safetensors")
    for path in (folder, folder / "model.safetensors"):
        found = load_weights(path, WORKLOAD)
        assert list(found) == list(parameter_shapes(ARCH))
        assert all(np.array_equal(value, theirs[transformers_name(name)]) for name, value in found.items())


@pytest.mark.parametrize("kind", ["BertModel", "BertForPreTraining"])
def test_a_pre_trained_encoder_gets_the_classifier_of_the_seed(save_library: SaveLibrary, kind: str) -> None:
    folder = save_library(kind)
    found = load_weights(folder, WORKLOAD, seed=5)
    assert same(head(found), head(FAMILY.initial_weights(ARCH, 5)))
    theirs = load_file(folder / "model.safetensors")
    prefix = "" if kind == "BertModel" else "bert."
    assert np.array_equal(found["pooler.weight"], theirs[f"{prefix}pooler.dense.weight"])
    assert np.array_equal(found["layers.1.up.bias"], theirs[f"{prefix}encoder.layer.1.intermediate.dense.bias"])
    with pytest.raises(UserError, match=r"lacks classifier\.bias \(2 missing, 0 unknown\)"):
        load_weights(folder, WORKLOAD, seed=None)


def test_the_first_two_of_four_layers(save_library: SaveLibrary) -> None:
    folder = save_library("BertForSequenceClassification", layers=4)
    two, four = load_weights(folder, WORKLOAD), load_weights(folder, tiny_text.workload(model__num_layers=4))
    assert {name for name in four if name.startswith(("layers.2.", "layers.3."))} == set(four) - set(two)
    assert all(np.array_equal(two[name], four[name]) for name in two)


def test_too_few_layers_are_a_users_error(save_library: SaveLibrary) -> None:
    folder = save_library("BertForSequenceClassification", layers=1)
    with pytest.raises(UserError, match=r"lacks layers\.1\.attention_norm\.bias \(16 missing, 0 unknown\)"):
        load_weights(folder, WORKLOAD)


@pytest.mark.parametrize("theirs", [True, False])
def test_a_classifier_of_another_width_is_replaced_by_the_seeds(tmp_path: Path, theirs: bool) -> None:
    two = tiny_text.weights(tiny_text.architecture(tiny_text.workload(model__num_classes=2)))
    save_weights(tmp_path / "two.safetensors", to_transformers(two) if theirs else two)
    found = load_weights(tmp_path / "two.safetensors", WORKLOAD, seed=7)
    assert same(head(found), head(FAMILY.initial_weights(ARCH, 7)))
    assert same(body(found), body(two))
    with pytest.raises(UserError, match=r"classifier\.bias is \(2,\), wanted \(4,\)"):
        load_weights(tmp_path / "two.safetensors", WORKLOAD, seed=None)


def test_other_shapes_name_up_to_three_tensors_with_both_shapes(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.safetensors", to_transformers(tiny_text.weights(ARCH)))
    with pytest.raises(UserError) as refused:
        load_weights(tmp_path / "x.safetensors", tiny_text.workload(model__intermediate_size=96))
    message = str(refused.value)
    assert "layers.0.up.weight is (64, 32), wanted (96, 32); layers.0.up.bias is (64,), wanted (96,)" in message
    assert "layers.0.down.weight is (32, 64), wanted (32, 96) and 3 more" in message
    assert message.count("wanted") == 3
    assert "\n" not in message


def test_another_vocabulary_is_told_with_both_sizes(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.safetensors", tiny_text.weights(ARCH))
    with pytest.raises(UserError, match=r"embeddings\.token\.weight is \(64, 32\), wanted \(100, 32\)$"):
        load_weights(tmp_path / "x.safetensors", tiny_text.workload(model__vocabulary_size=100))


def test_another_width_of_the_network_is_refused_though_its_classifier_differs_too(save_library: SaveLibrary) -> None:
    folder = save_library("BertForSequenceClassification", hidden=48)
    with pytest.raises(UserError, match=r"embeddings\.token\.weight is \(64, 48\), wanted \(64, 32\).* more$"):
        load_weights(folder, WORKLOAD)


def test_norms_of_older_checkpoints(tmp_path: Path) -> None:
    weights = tiny_text.weights(ARCH)

    def older(name: str) -> str:
        return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    save_file({older(name): value for name, value in to_transformers(weights).items()}, tmp_path / "x.safetensors")
    assert same(load_weights(tmp_path / "x.safetensors", WORKLOAD), weights)


def test_an_extra_tensor_of_our_own_names_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path / "x.safetensors", tiny_text.weights(ARCH) | {"extra": np.zeros(1, np.float32)})
    with pytest.raises(UserError, match=r"has an unknown extra \(0 missing, 1 unknown\)"):
        load_weights(tmp_path / "x.safetensors", WORKLOAD)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path(tmp_path / "sprung").touch, ()

    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match=r"only \.safetensors files are read; a pickled checkpoint could run code"):
        load_weights(tmp_path / name, WORKLOAD)
    in_a_folder = "could run code" if name.endswith(".bin") else r"give a \.safetensors file or a folder"
    with pytest.raises(UserError, match=in_a_folder):
        load_weights(tmp_path, WORKLOAD)
    assert not (tmp_path / "sprung").exists()
