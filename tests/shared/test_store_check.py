"""Stores of somebody else: a manifest or an array that is not what it should be is told by name, nothing is read."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import UserError
from shared.store import MANIFEST, open_store, write_strings

N, SIZE = 4, 8
Change = Callable[[Path, dict[str, Any]], None]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of four pages of two classes."""
    root = tmp_path / "store"
    root.mkdir()
    np.zeros(N * SIZE * SIZE, np.uint8).tofile(root / "images.u8")
    np.save(root / "labels.npy", np.array([0, 1, 0, 1], np.int32))
    np.save(root / "splits.npy", np.array([0, 0, 1, 2], np.int8))
    write_strings(root, "names", [f"page {number}" for number in range(N)])
    manifest = {"schema": 2, "name": "folder", "image_size": SIZE, "count": N, "classes": ["a", "b"]}
    seal(root, manifest | {"sha256": {}, "bytes": {}}, *(path.name for path in root.iterdir()))
    return root


def seal(root: Path, manifest: dict[str, Any], *names: str) -> None:
    """Write the manifest with the true sizes and checksums of some files."""
    for name in names:
        content = (root / name).read_bytes()
        manifest["sha256"][name], manifest["bytes"][name] = hashlib.sha256(content).hexdigest(), len(content)
    (root / MANIFEST).write_text(json.dumps(manifest))


def refusal(root: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_store(root, checksums=None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("classes", 5),
        ("classes", {"a": 1, "b": 2}),
        ("classes", []),
        ("classes", [1, 2]),
        ("classes", ["a", "a"]),
        ("classes", ["a", ""]),
        ("classes", ["a", "b" * 2000]),
        ("count", "4"),
        ("count", -1),
        ("count", True),
        ("count", 1e308),
        ("count", None),
        ("image_size", -8),
        ("image_size", None),
        ("image_size", 1 << 40),
        ("name", {"a": 1}),
        ("name", ""),
        ("source", "x"),
        ("source", {"vocabulary_size": -1}),
        ("rejected", "abc"),
        ("rejected", [{"file": 1, "reason": "x"}]),
        ("ocr", [1]),
        ("ocr", {"failed": "x"}),
        ("bytes", ["labels.npy"]),
        ("sha256", None),
    ],
)
def test_a_field_that_is_not_of_its_kind_is_named(store: Path, key: str, value: object) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps(manifest | {key: value}))
    assert f"{key!r} is not " in refusal(store) or "another" in refusal(store)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", ".hidden", "a\nb", ""])
def test_a_file_name_that_could_lead_elsewhere(store: Path, name: str) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    for key, value in (("bytes", 1), ("sha256", "0" * 64)):
        manifest[key][name] = value
    (store / MANIFEST).write_text(json.dumps(manifest))
    assert "is not a" in refusal(store)


def test_a_file_that_is_a_link_out_of_the_store(store: Path, tmp_path: Path) -> None:
    (store / "labels.npy").rename(tmp_path / "labels.npy")
    (store / "labels.npy").symlink_to(tmp_path / "labels.npy")
    assert "a link that leads out of its folder" in refusal(store)


def test_a_size_without_a_checksum(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    del manifest["sha256"]["images.u8"]
    (store / MANIFEST).write_text(json.dumps(manifest))
    assert "'images.u8' has a size or a sha256, not both" in refusal(store)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("labels.npy", np.array([0, 1, 0, 2]), "holds 0 to 2, 0 to 1 expected"),
        ("labels.npy", np.array([0, 1, 0, -1]), "holds -1 to 1"),
        ("labels.npy", np.array([0.0, 1.0, 0.0, 1.0]), "float64 of 1 dimensions"),
        ("labels.npy", np.zeros((N, 2, 2), np.uint8), "uint8 of 3 dimensions"),
        ("labels.npy", np.full((N, 2), 7, np.uint8), "holds 7 to 7, 0 to 1 expected"),
        ("labels.npy", np.zeros((N, 3), np.uint8), "has 3 columns, the manifest 2 classes"),
        ("labels.npy", np.zeros(N + 1, np.int32), "differ in their number of documents"),
        ("splits.npy", np.full(N, 9, np.int8), "a code that is none of train, val, test"),
        ("splits.npy", np.array(["a"] * N), "not integers"),
    ],
)
def test_an_array_that_does_not_fit(store: Path, name: str, array: np.ndarray, said: str) -> None:
    np.save(store / name, array)
    seal(store, json.loads((store / MANIFEST).read_text()), name)
    assert said in refusal(store)


def test_objects_are_never_unpickled(store: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (store / "sprung").touch, ()

    np.save(store / "labels.npy", np.array([Trap()] * N, object), allow_pickle=True)
    seal(store, json.loads((store / MANIFEST).read_text()), "labels.npy")
    assert "Python objects, which could run code" in refusal(store)
    assert not (store / "sprung").exists()


def test_a_header_that_asks_for_exabytes(store: Path) -> None:
    header = b"{'descr': '<i4', 'fortran_order': False, 'shape': (9000000000000000000,), }".ljust(117) + b"\n"
    (store / "labels.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00" + header)
    seal(store, json.loads((store / MANIFEST).read_text()), "labels.npy")
    assert "its header says" in refusal(store)


def test_a_manifest_that_is_a_pipe_or_a_well(store: Path) -> None:
    (store / MANIFEST).write_text("[" * 200_000)
    assert "nested more than" in refusal(store)
    (store / MANIFEST).unlink()
    os.mkfifo(store / MANIFEST)
    assert "not a regular file" in refusal(store)
