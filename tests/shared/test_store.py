from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import UserError
from shared.store import MANIFEST, file_sha256, open_store

N, SIZE = 6, 8


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A store of six pages of two classes, written here by hand."""
    root = tmp_path / "store"
    root.mkdir()
    np.arange(N * SIZE * SIZE, dtype=np.uint8).tofile(root / "images.u8")
    np.save(root / "labels.npy", np.array([0, 1, 0, 1, 1, 1], dtype=np.int32))
    np.save(root / "splits.npy", np.array([0, 0, 1, 2, 2, 0], dtype=np.int8))
    paths = sorted(root.iterdir())
    manifest = {
        "schema": 1,
        "name": "folder",
        "image_size": SIZE,
        "count": N,
        "classes": ["a", "b"],
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths},
        "bytes": {path.name: path.stat().st_size for path in paths},
    }
    (root / MANIFEST).write_text(json.dumps(manifest))
    return root


def edit_manifest(root: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    manifest = json.loads((root / MANIFEST).read_text())
    change(manifest)
    (root / MANIFEST).write_text(json.dumps(manifest))


def test_what_is_in_a_store(store_path: Path) -> None:
    store = open_store(store_path, checksums=True)
    assert store.images.shape == (N, SIZE, SIZE)
    assert store.images[1, 0, 3] == SIZE * SIZE + 3
    assert (store.name, store.image_size, store.classes) == ("folder", SIZE, ["a", "b"])
    assert store.indices("train").tolist() == [0, 1, 5]
    assert store.indices("test").tolist() == [3, 4]
    assert store.counts() == {"train": {"a": 1, "b": 2}, "val": {"a": 1, "b": 0}, "test": {"a": 0, "b": 2}}
    with pytest.raises(ValueError, match="read-only"):
        store.images[0, 0, 0] = 1


def test_digest_is_of_the_content_alone(store_path: Path, tmp_path: Path) -> None:
    digest = open_store(store_path).digest
    moved = Path(shutil.move(store_path, tmp_path / "elsewhere"))
    edit_manifest(moved, lambda manifest: manifest.update(created="later", source={"path": "x"}))
    assert open_store(moved).digest == digest
    edit_manifest(moved, lambda manifest: manifest["sha256"].update({"labels.npy": "0" * 64}))
    assert open_store(moved).digest != digest


def test_no_store_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such store"):
        open_store(tmp_path / "absent")
    with pytest.raises(UserError, match="not a prepared store"):
        open_store(tmp_path)


def test_half_written(store_path: Path) -> None:
    with (store_path / "images.u8").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(UserError, match=r"images\.u8: missing or not 384 bytes long"):
        open_store(store_path)
    (store_path / "images.u8").unlink()
    with pytest.raises(UserError, match=r"images\.u8: missing"):
        open_store(store_path)


@pytest.mark.parametrize("name", ["images.u8", "labels.npy", "splits.npy"])
def test_damage_is_found_by_checksums(store_path: Path, name: str) -> None:
    content = bytearray((store_path / name).read_bytes())
    content[-1] ^= 1
    (store_path / name).write_bytes(content)
    open_store(store_path, checksums=False)
    for checksums in (True, None):
        with pytest.raises(UserError, match=f"{name}: its sha256 is not the manifest's"):
            open_store(store_path, checksums=checksums)


def test_large_files_are_left_out_unless_asked_for(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.CHECKSUM_LIMIT_BYTES", 300)
    (store_path / "images.u8").write_bytes(bytes(N * SIZE * SIZE))
    open_store(store_path, checksums=None)
    with pytest.raises(UserError, match="sha256"):
        open_store(store_path, checksums=True)


def test_another_schema_version(store_path: Path) -> None:
    edit_manifest(store_path, lambda manifest: manifest.update(schema=2))
    with pytest.raises(UserError, match="store schema 2, this version reads 1"):
        open_store(store_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"x"', b"{}", b"\xff\xfe", b"null"])
def test_a_manifest_that_is_none(store_path: Path, content: bytes) -> None:
    (store_path / MANIFEST).write_bytes(content)
    with pytest.raises(UserError, match="not a store's manifest"):
        open_store(store_path)


@pytest.mark.parametrize("key", ["name", "image_size", "count", "classes", "sha256", "bytes"])
def test_a_manifest_with_a_key_missing(store_path: Path, key: str) -> None:
    edit_manifest(store_path, lambda manifest: manifest.pop(key))
    with pytest.raises(UserError, match="is missing"):
        open_store(store_path)


@pytest.mark.parametrize("change", [{"count": 5}, {"count": 7}, {"image_size": "wide"}, {"image_size": None}])
def test_a_manifest_that_does_not_fit_the_files(store_path: Path, change: dict[str, Any]) -> None:
    edit_manifest(store_path, lambda manifest: manifest.update(change))
    with pytest.raises(UserError, match="prepare the store again"):
        open_store(store_path)


def test_checksum_of_a_file_and_its_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.store.READ_BYTES", 10)
    path = tmp_path / "file"
    path.write_bytes(b"x" * 25)
    blocks: list[int] = []
    assert file_sha256(path, blocks.append) == hashlib.sha256(b"x" * 25).hexdigest()
    assert blocks == [10, 10, 5]


def test_progress_of_a_check_ends_at_the_whole(store_path: Path) -> None:
    told: list[tuple[int, int]] = []
    open_store(store_path, checksums=True, on_bytes=lambda done, total: told.append((done, total)))
    assert (
        told[-1][0]
        == told[-1][1]
        == sum(path.stat().st_size for path in store_path.iterdir() if path.suffix != ".json")
    )
