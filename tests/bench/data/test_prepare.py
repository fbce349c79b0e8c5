from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data import partial
from bench.data import prepare as module
from bench.data.decode import decode
from bench.data.load import Request, open_source
from bench.data.partial import Partial
from bench.data.prepare import prepare
from bench.data.source import Source
from shared.errors import UserError
from shared.store import SPLITS, open_store

MakePage = Callable[..., Path]
MINI = Path(__file__).parents[4] / "shared" / "data" / "rvl-cdip-mini"


def folder(path: Path, **options: Any) -> Source:
    return open_source(Request("folder", path, **options))


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir() if path.name != "manifest.json"}


def test_the_store_holds_the_decoded_pages_in_order(tree: Path, tmp_path: Path) -> None:
    source = folder(tree)
    prepared = prepare(source, tmp_path / "out", 16)
    store = open_store(tmp_path / "out", checksums=True)
    assert (prepared.num_rendered, prepared.num_resumed, prepared.existed) == (30, 0, False)
    assert store.pixels.shape == (30, 16, 16)
    for row, page in enumerate(source.pages):
        np.testing.assert_array_equal(store.pixels[row], decode(str(page.key), 16))
        assert store.labels[row] == page.label
        assert SPLITS[store.split_codes[row]] == page.split
        assert store.names[row] == page.name
    assert {split: sum(counts.values()) for split, counts in store.counts().items()} == {
        "train": 24,
        "val": 3,
        "test": 3,
    }
    assert store.manifest["counts"] == store.counts()
    assert store.manifest["rejected"] == []
    assert not list(tmp_path.glob(".*"))


def test_workers_and_place_do_not_change_a_byte(tree: Path, tmp_path: Path) -> None:
    one = prepare(folder(tree), tmp_path / "one", 16, workers=1).store
    moved = tree.rename(tmp_path / "moved")
    two = prepare(folder(moved), tmp_path / "deep" / "two", 16, workers=2).store
    assert files(one.path) == files(two.path)
    assert one.digest == two.digest
    assert prepare(folder(moved, seed=1), tmp_path / "seed", 16, workers=1).store.digest != one.digest


def test_rejected_pages_are_listed_and_leave_no_gap(tree: Path, tmp_path: Path, huge_png: Path) -> None:
    whole = prepare(folder(tree), tmp_path / "whole", 16, workers=1).store
    good = {page.name: whole.pixels[row].copy() for row, page in enumerate(folder(tree).pages)}
    page = (tree / "bill" / "1.png").read_bytes()
    bad = {
        "bill/0.png": b"",
        "bill/1.png": page[:-100],
        "letter/5.png": b"no page",
        "memo/9.png": huge_png.read_bytes(),
    }
    for name, content in bad.items():
        (tree / name).write_bytes(content)
    source = folder(tree)
    store = prepare(source, tmp_path / "out", 16, workers=2).store
    rejected = {entry["file"]: entry["reason"] for entry in store.manifest["rejected"]}
    assert set(rejected) == set(bad)
    assert rejected["bill/0.png"] == "zero bytes"
    assert "decompression bomb" in rejected["memo/9.png"]
    kept = [page.name for page in source.pages if page.name not in bad]
    assert len(store.pixels) == len(kept) == 26
    for row, name in enumerate(kept):
        np.testing.assert_array_equal(store.pixels[row], good[name])
        assert store.names[row] == name


def test_a_class_without_a_readable_page_is_a_user_error(tree: Path, tmp_path: Path) -> None:
    for path in (tree / "memo").iterdir():
        path.write_bytes(b"")
    with pytest.raises(
        UserError, match=r"no readable page of class 'memo'; first rejected: memo/0\.png \(zero bytes\)"
    ):
        prepare(folder(tree), tmp_path / "out", 16, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_training_split_without_a_readable_page_is_a_user_error(tree: Path, tmp_path: Path) -> None:
    rows = [
        {"file": f"{name}/{i}.png", "label": name, "split": split}
        for name in ("memo", "bill")
        for i, split in enumerate(("train", "test"))
    ]
    (tree / "index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("memo", "bill"):
        (tree / name / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match="no readable page in the training split"):
        prepare(open_source(Request("index", tree / "index.jsonl")), tmp_path / "out", 16, workers=1)


def test_the_same_again_is_already_there(tree: Path, tmp_path: Path) -> None:
    first = prepare(folder(tree), tmp_path / "out", 16, workers=1).store
    again = prepare(folder(tree), tmp_path / "out", 16, workers=1)
    assert again.existed
    assert again.num_rendered == 0
    assert again.store.manifest == first.manifest


def test_nothing_is_ever_overwritten(tree: Path, tmp_path: Path, make_page: MakePage) -> None:
    prepare(folder(tree), tmp_path / "out", 16, workers=1)
    before = files(tmp_path / "out")
    with pytest.raises(
        UserError, match=r"other arguments or inputs \(folder, 16 pixels, 30 documents; asked for: folder, 8"
    ):
        prepare(folder(tree), tmp_path / "out", 8, workers=1)
    make_page(tree / "memo" / "new.png")
    with pytest.raises(UserError, match="asked for: folder, 16 pixels, 31 documents"):
        prepare(folder(tree), tmp_path / "out", 16, workers=1)
    assert files(tmp_path / "out") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(UserError, match="exists and is not a prepared store"):
            prepare(folder(tree), tmp_path / name, 16, workers=1)


def test_a_place_that_cannot_be_written(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written"):
        prepare(folder(tree), tmp_path / "file" / "out", 16, workers=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="cannot be written"):
        prepare(folder(tree), tmp_path / "locked" / "out", 16, workers=1)


def test_a_full_disk_keeps_the_finished_pages(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.pwrite, []

    def full_after_20(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) > 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full_after_20)
        with pytest.raises(UserError, match="disk is full; finished pages are kept"):
            prepare(folder(tree), tmp_path / "out", 16, workers=1)
    assert not (tmp_path / "out").exists()
    prepared = prepare(folder(tree), tmp_path / "out", 16, workers=1)
    assert prepared.num_resumed == 16  # two whole tasks of eight
    assert prepared.num_rendered == 14
    assert files(tmp_path / "out") == files(prepare(folder(tree), tmp_path / "other", 16, workers=1).store.path)


def test_too_little_space_is_said_before_the_work(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage:
        free = 1000

    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(UserError, match=r"need 0\.00 GB"):
        prepare(folder(tree), tmp_path / "deep" / "out", 16, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def interrupted(source: Source, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a partial store with all pages rendered."""
    with monkeypatch.context() as patch:
        patch.setattr(module, "finish", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(source, out, 16, workers=1)


def test_damaged_or_cut_off_partials_are_mended(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = prepare(folder(tree), tmp_path / "whole", 16, workers=1).store
    out = tmp_path / "out"
    interrupted(folder(tree), out, monkeypatch)
    half = Partial(out)
    with half.images.open("r+b") as images:  # a power failure: page 3 never reached the disk, the end was cut off
        images.seek(3 * 256)
        images.write(bytes(256))
        images.truncate(28 * 256 + 10)
    with (half.root / partial.JOURNAL).open("a") as journal:
        journal.write("[29, 12")
    prepared = prepare(folder(tree), out, 16, workers=1)
    assert prepared.num_rendered == 3
    assert files(out) == files(whole.path)


def test_a_partial_of_other_inputs_is_not_reused(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_page: MakePage
) -> None:
    out = tmp_path / "out"
    interrupted(folder(tree), out, monkeypatch)
    make_page(tree / "memo" / "3.png", 555, (50, 50))
    assert prepare(folder(tree), out, 16, workers=1).num_resumed == 0
    interrupted(folder(tree), tmp_path / "size", monkeypatch)
    assert prepare(folder(tree), tmp_path / "size", 8, workers=1).num_resumed == 0


def test_two_at_once_are_told_apart(tree: Path, tmp_path: Path) -> None:
    with Partial(tmp_path / "out").locked(), pytest.raises(UserError, match="another process is preparing it"):
        prepare(folder(tree), tmp_path / "out", 16, workers=1)


def test_progress_counts_to_the_end(tree: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    prepare(folder(tree), tmp_path / "out", 16, workers=1, progress=lambda *told_now: told.append(told_now))
    pages = [done for what, done, total in told if what == "pages"]
    assert pages[0] == 0
    assert pages == sorted(pages)
    assert pages[-1] == 30
    assert told[-1][0] == "checksums"
    assert told[-1][1] == told[-1][2]


@pytest.mark.skipif(not MINI.is_dir(), reason="the RVL-CDIP sample is not on this machine")
def test_real_pages(tmp_path: Path) -> None:
    store = prepare(open_source(Request("rvl-cdip", MINI)), tmp_path / "out", 32).store
    assert store.name == "rvl-cdip"
    assert {split: sum(counts.values()) for split, counts in store.counts().items()} == {
        "train": 118,
        "val": 32,
        "test": 32,
    }
    assert store.manifest["rejected"] == []
    assert store.pixels.mean() > 200  # paper is white
    assert all(count > 0 for counts in store.counts().values() for count in counts.values())
