from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import UserError
from shared.store import MANIFEST, count_documents, file_sha256, open_store, read_strings, write_strings

N, SIZE = 6, 8


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A store of six pages of two classes, written here by hand."""
    root = tmp_path / "store"
    root.mkdir()
    np.arange(N * SIZE * SIZE, dtype=np.uint8).tofile(root / "images.u8")
    np.save(root / "labels.npy", np.array([0, 1, 0, 1, 1, 1], dtype=np.int32))
    np.save(root / "splits.npy", np.array([0, 0, 1, 2, 2, 0], dtype=np.int8))
    write_strings(root, "names", [f"page {i}" for i in range(N)])
    paths = sorted(root.iterdir())
    manifest = {
        "schema": 2,
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
    assert store.pixels.shape == (N, SIZE, SIZE)
    assert store.pixels[1, 0, 3] == SIZE * SIZE + 3
    assert (store.name, store.image_size, store.classes) == ("folder", SIZE, ["a", "b"])
    assert store.indices("train").tolist() == [0, 1, 5]
    assert store.indices("test").tolist() == [3, 4]
    assert [store.names[i] for i in (0, 5)] == ["page 0", "page 5"]
    assert (store.text, store.tokens, store.lengths, store.max_tokens, store.multi_label) == (None,) * 4 + (False,)
    assert store.counts() == {"train": {"a": 1, "b": 2}, "val": {"a": 1, "b": 0}, "test": {"a": 0, "b": 2}}
    with pytest.raises(ValueError, match="read-only"):
        store.pixels[0, 0, 0] = 1


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


@pytest.mark.parametrize("name", ["images.u8", "labels.npy", "splits.npy", "names.utf8"])
def test_damage_is_found_by_checksums(store_path: Path, name: str) -> None:
    content = bytearray((store_path / name).read_bytes())
    content[-4 if name == "labels.npy" else -1] ^= 1  # another label of those there are
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
    edit_manifest(store_path, lambda manifest: manifest.update(schema=1))
    with pytest.raises(UserError, match="store schema 1, this version reads 2"):
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


def add(root: Path, *names: str) -> None:
    """Enter files that lie in a store into its manifest."""

    def entered(manifest: dict[str, Any]) -> None:
        for name in names:
            manifest["sha256"][name] = hashlib.sha256((root / name).read_bytes()).hexdigest()
            manifest["bytes"][name] = (root / name).stat().st_size

    edit_manifest(root, entered)


def remove(root: Path, name: str) -> None:
    (root / name).unlink()
    edit_manifest(root, lambda manifest: (manifest["sha256"].pop(name), manifest["bytes"].pop(name)))


def test_strings_survive_byte_by_byte(tmp_path: Path) -> None:
    texts = [
        "",
        "plain",
        "\u0627\u0644\u0633\u0644\u0627\u0645 \u200f\u05e9\u05dc\u05d5\u05dd",
        "\u6587\u66f8",
        "a\nb\r\n\0c",
        "\U0001f4c4",
        "",
    ]
    write_strings(tmp_path, "text", texts)
    strings = read_strings(tmp_path, "text")
    assert len(strings) == len(texts)
    assert [strings[i] for i in range(len(texts))] == texts
    assert (tmp_path / "text.utf8").read_bytes() == "".join(texts).encode()
    write_strings(tmp_path, "empty", ["", ""])
    assert [read_strings(tmp_path, "empty")[i] for i in range(2)] == ["", ""]


def test_lone_surrogates_do_not_stop_a_store(tmp_path: Path) -> None:
    write_strings(tmp_path, "text", ["a\ud800b", "c"])
    assert [read_strings(tmp_path, "text")[i] for i in range(2)] == ["a?b", "c"]


def test_a_store_of_text_and_tokens_without_pages(store_path: Path) -> None:
    remove(store_path, "images.u8")
    write_strings(store_path, "text", [f"text {i}" for i in range(N)])
    np.save(store_path / "tokens.npy", np.arange(N * 4, dtype=np.int32).reshape(N, 4))
    np.save(store_path / "lengths.npy", np.full(N, 4, np.int32))
    add(store_path, "text.utf8", "text.offsets.npy", "tokens.npy", "lengths.npy")
    edit_manifest(store_path, lambda manifest: manifest.update(image_size=None))
    store = open_store(store_path, checksums=True)
    assert (store.pixels, store.image_size, store.max_tokens) == (None, None, 4)
    assert store.text is not None
    assert store.text[3] == "text 3"
    again = pickle.loads(pickle.dumps(store))
    assert isinstance(again.tokens, np.memmap)
    in_memory = pickle.loads(pickle.dumps(store.in_memory()))
    assert not isinstance(in_memory.tokens, np.memmap)
    np.testing.assert_array_equal(in_memory.tokens, store.tokens)


@pytest.mark.parametrize("name", ["tokens.npy", "lengths.npy"])
def test_tokens_and_lengths_belong_together(store_path: Path, name: str) -> None:
    np.save(store_path / name, np.zeros((N, 4) if name == "tokens.npy" else N, np.int32))
    add(store_path, name)
    with pytest.raises(UserError, match="prepare the store again"):
        open_store(store_path)


def test_several_labels(store_path: Path) -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1], [0, 1]], np.uint8)
    np.save(store_path / "labels.npy", labels)
    add(store_path, "labels.npy")
    store = open_store(store_path)
    assert store.multi_label
    assert store.counts() == {"train": {"a": 2, "b": 2}, "val": {"a": 0, "b": 1}, "test": {"a": 1, "b": 1}}


def test_counts_of_many_labels_do_not_wrap() -> None:
    labels, codes = np.ones((300, 1), np.uint8), np.zeros(300, np.int8)
    assert count_documents(labels, codes, ["a"])["train"] == {"a": 300}


def test_the_same_documents_dealt_out_otherwise(store_path: Path) -> None:
    store = open_store(store_path)
    other = store.with_splits(np.array([2, 2, 2, 0, 0, 3], np.int8))
    assert other.indices("train").tolist() == [3, 4]
    assert other.indices("val").tolist() == []
    assert store.indices("val").tolist() == [2]
