"""Starting weights and files of weights."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared.errors import UserError
from shared.families.efficientnet import FAMILY
from shared.families.efficientnet.architecture import architecture
from shared.families.efficientnet.convert import to_transformers
from shared.family import Weights
from shared.weights import load_weights, save_weights
from tests import tiny

WORKLOAD = tiny.workload()  # EfficientNet-B0, 16 classes
ARCH = FAMILY.architecture(WORKLOAD)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return tiny.weights(ARCH)


@pytest.fixture
def file(tmp_path: Path, weights: Weights) -> Path:
    save_weights(tmp_path / "own.safetensors", weights)
    return tmp_path / "own.safetensors"


def same(left: Weights, right: Weights) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_a_file_there_and_back(file: Path, weights: Weights) -> None:
    assert same(load_weights(file, WORKLOAD), weights)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_write_that_fails_leaves_the_old_file(file: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_written(tensors: Weights, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("shared.weights.save_file", half_written)
    with pytest.raises(OSError, match="no space"):
        save_weights(file, {})
    assert same(load_weights(file, WORKLOAD), weights)


@pytest.mark.parametrize("folder", [True, False])
def test_a_hugging_face_folder_or_file(tmp_path: Path, weights: Weights, folder: bool) -> None:
    theirs = {name: np.ascontiguousarray(value) for name, value in to_transformers(weights).items()}
    theirs["efficientnet.embeddings.batchnorm.num_batches_tracked"] = np.array(3)
    save_file(theirs, tmp_path / "model.safetensors")
    assert same(load_weights(tmp_path if folder else tmp_path / "model.safetensors", WORKLOAD), weights)


def test_a_classifier_of_another_width_is_replaced_by_the_seeds(tmp_path: Path) -> None:
    thousand = architecture("b0", 1000)
    save_weights(tmp_path / "imagenet.safetensors", tiny.weights(thousand))
    loaded = load_weights(tmp_path / "imagenet.safetensors", WORKLOAD, seed=5)
    start = FAMILY.initial_weights(ARCH, 5)
    assert np.array_equal(loaded["classifier.weight"], start["classifier.weight"])
    assert loaded["classifier.bias"].shape == (16,)
    assert np.array_equal(loaded["head.conv.weight"], tiny.weights(thousand)["head.conv.weight"])
    with pytest.raises(UserError, match=r"classifier\.weight is \(1000, 1280\), wanted \(16, 1280\)"):
        load_weights(tmp_path / "imagenet.safetensors", WORKLOAD, seed=None)


@pytest.mark.parametrize("name", ["model.pt", "model.bin", "model.pkl", "model.pth", "pytorch_model.bin"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return Path(tmp_path / "sprung").touch, ()

    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(UserError, match=r"only \.safetensors files are read; a pickled checkpoint could run code"):
        load_weights(tmp_path / name, WORKLOAD)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["x.weights.h5", "x.keras"])
def test_a_keras_checkpoint_is_sent_to_its_converter(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"python -m tf_impl\.convert NETWORK"):
        load_weights(tmp_path / name, WORKLOAD)


@pytest.mark.parametrize("name", ["absent.safetensors", "absent", "."])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="no weights there"):
        load_weights(tmp_path / name, WORKLOAD)


@pytest.mark.parametrize("content", [b"", b"garbage" * 10])
def test_a_file_that_is_no_safetensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.safetensors: not a readable safetensors file"):
        load_weights(tmp_path / "x.safetensors", WORKLOAD)


def test_bfloat16_is_a_users_error(tmp_path: Path) -> None:
    header = b'{"a":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(UserError, match="save it in float32"):
        load_weights(tmp_path / "x.safetensors", WORKLOAD)


def test_a_wrong_shape_is_named_with_both(tmp_path: Path, weights: Weights) -> None:
    save_weights(tmp_path / "x.safetensors", weights | {"stem.conv.weight": np.zeros((32, 3, 5, 5), np.float32)})
    with pytest.raises(UserError, match=r"stem\.conv\.weight is \(32, 3, 5, 5\), wanted \(32, 3, 3, 3\)"):
        load_weights(tmp_path / "x.safetensors", WORKLOAD)


def test_a_tensor_too_few_or_too_many_is_named(tmp_path: Path, weights: Weights) -> None:
    fewer = {name: value for name, value in weights.items() if name != "head.norm.bias"}
    save_weights(tmp_path / "fewer.safetensors", fewer)
    with pytest.raises(UserError, match=r"lacks head\.norm\.bias \(1 missing, 0 unknown\)"):
        load_weights(tmp_path / "fewer.safetensors", WORKLOAD)
    save_weights(tmp_path / "more.safetensors", weights | {"extra": np.zeros(1, np.float32)})
    with pytest.raises(UserError, match=r"has an unknown extra \(0 missing, 1 unknown\)"):
        load_weights(tmp_path / "more.safetensors", WORKLOAD)


def test_another_variants_weights_are_refused(file: Path) -> None:
    with pytest.raises(UserError, match=r"another network's weights|other shapes than the network's"):
        load_weights(file, tiny.workload(model__variant="b2"))
