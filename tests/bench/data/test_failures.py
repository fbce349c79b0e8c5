"""Failures of single pages are judged together, and tried again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli.data import command
from bench.data import load
from bench.data import prepare as module
from bench.data.judge import FIRST_PAGES, Judge, spread_first
from bench.data.load import Request, open_source
from bench.data.ocr import with_ocr
from bench.data.partial import Partial
from bench.data.prepare import Prepared, prepare
from bench.data.source import Source
from shared.errors import UserError
from shared.words import read_words
from tests.bench.data.fake_engines import Fake, Mendable

MakePage = Callable[..., Path]


def opened(tree: Path) -> Source:
    return open_source(Request("folder", tree))


def read(tree: Path, out: Path, engine: Fake, retry: bool = False) -> Prepared:
    return prepare(with_ocr(opened(tree), engine), out, 16, workers=1, retry_failed=retry)


def test_all_of_the_first_for_one_reason() -> None:
    judge = Judge("reading", 100)
    for _ in range(FIRST_PAGES - 1):
        judge.note("no memory")
    with pytest.raises(UserError, match=f"reading: the first {FIRST_PAGES} pages failed for one reason: no memory"):
        judge.note("no memory")
    few = Judge("reading", 2)
    few.note("why")
    with pytest.raises(UserError, match="all 2 pages failed"):
        few.note("why")


@pytest.mark.parametrize("other", [None, "another reason"])
@pytest.mark.parametrize("place", [0, 5, FIRST_PAGES - 1])
def test_one_that_differs_is_enough_to_go_on(other: str | None, place: int) -> None:
    judge = Judge("reading", 100)
    for number in range(100):
        judge.note(other if number == place else "no memory")


@pytest.mark.parametrize("count", [0, 1, 23, 24, 25, 47, 48, 1000])
def test_the_first_lie_all_over_the_data(count: int) -> None:
    order = spread_first(list(range(count)))
    assert sorted(order) == list(range(count))
    first = order[: min(count, FIRST_PAGES)]
    assert first == sorted(first)
    if count:
        assert first[-1] >= count // 2


def test_pages_that_all_fail_for_one_reason(tree: Path, tmp_path: Path) -> None:
    for path in tree.rglob("*.png"):
        path.write_bytes(b"%PDF-1.7 page")
    with pytest.raises(UserError, match=f"reading the pages: the first {FIRST_PAGES} pages failed .*: a PDF"):
        prepare(opened(tree), tmp_path / "out", 16, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_a_bad_folder_is_no_reason_to_stop(tmp_path: Path, make_page: MakePage) -> None:
    for i in range(60):
        make_page(tmp_path / "set" / "a" / f"{i:02}.png", i)
        make_page(tmp_path / "set" / "b" / f"{i:02}.png", 100 + i)
    for i in range(58):
        (tmp_path / "set" / "a" / f"{i:02}.png").write_bytes(b"")
    store = prepare(opened(tmp_path / "set"), tmp_path / "out", 16, workers=1).store
    assert len(store.manifest["rejected"]) == 58


@pytest.mark.parametrize("silent", [False, True])
def test_an_engine_that_reads_nothing_then_is_mended(silent: bool, tree: Path, tmp_path: Path) -> None:
    engine = Mendable(mended=str(tmp_path / "mended"), silent=silent)
    message = "not one word on 30 pages" if silent else f"the first {FIRST_PAGES} pages failed .*: no data for eng"
    for _ in range(2):
        with pytest.raises(UserError, match=rf"OCR \(fake\): .*{message}"):
            read(tree, tmp_path / "out", engine)
        assert not (tmp_path / "out").exists()
    (tmp_path / "mended").write_text("")
    prepared = read(tree, tmp_path / "out", engine)
    assert prepared.num_resumed == 30  # the pixels were kept
    assert prepared.store.manifest["ocr"]["failed"] == []
    assert prepared.store.manifest["ocr"]["empty"] == 0


def test_failed_pages_of_a_finished_store_are_tried_again_when_asked(
    tree: Path, tmp_path: Path, make_page: MakePage
) -> None:
    make_page(tree / "memo" / "7.png", 0, (40, 37))
    (tree / "memo" / "2.png").write_bytes(b"")
    engine, out = Mendable(mended=str(tmp_path / "mended"), wide=35), tmp_path / "out"
    first = read(tree, out, engine)
    assert (first.num_failed, first.existed) == (2, False)
    assert [entry["file"] for entry in first.store.manifest["ocr"]["failed"]] == ["memo/7.png"]
    unchanged = read(tree, out, engine)
    assert (unchanged.existed, unchanged.num_failed) == (True, 2)
    still = read(tree, out, engine, retry=True)
    assert (still.existed, still.num_failed, still.num_rendered) == (False, 2, 1)
    assert still.store.digest == first.store.digest
    (tmp_path / "mended").write_text("")
    again = read(tree, out, engine, retry=True)
    assert (again.existed, again.num_failed, again.num_read_before) == (False, 1, 28)
    whole = read(tree, tmp_path / "whole", engine).store
    assert again.store.digest == whole.digest
    words, wanted = read_words(again.store), read_words(whole)
    assert words is not None
    assert wanted is not None
    assert [words.page(row) for row in range(29)] == [wanted.page(row) for row in range(29)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mended", "out", "tree", "whole"]


def test_nothing_to_try_again(tree: Path, tmp_path: Path) -> None:
    read(tree, tmp_path / "out", Fake())
    assert read(tree, tmp_path / "out", Fake(), retry=True).existed


def test_killed_between_the_two_renames(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    digest = read(tree, out, Fake()).store.digest
    partial = Partial(out)
    partial.root.mkdir()
    out.rename(partial.replaced)
    again = read(tree, out, Fake())
    assert again.existed
    assert again.store.digest == digest


def test_a_failed_page_is_read_again_by_the_next_call(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = (tree / "memo" / "2.png").read_bytes()
    (tree / "memo" / "2.png").write_bytes(b"no page")
    source = opened(tree)
    with monkeypatch.context() as patch:
        patch.setattr(module, "finish", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(source, tmp_path / "out", 16, workers=1)
    (tree / "memo" / "2.png").write_bytes(bad)  # as after a disk's hiccup: the source is the one opened before
    prepared = prepare(source, tmp_path / "out", 16, workers=1)
    assert (prepared.num_resumed, prepared.num_rendered) == (29, 1)
    assert prepared.store.manifest["rejected"] == []


def test_the_command_says_how(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "memo" / "2.png").write_bytes(b"no page")
    arguments = ["prepare", "folder", str(tree), "--out", str(tmp_path / "out"), "--size", "16", "--workers", "1"]
    monkeypatch.setattr(load, "find_engine", lambda name, language: Fake())
    runner = CliRunner()
    assert runner.invoke(command, arguments, catch_exceptions=False).exit_code == 0
    again = runner.invoke(command, arguments, catch_exceptions=False)
    assert "nothing to do (1 failed page: --retry-failed tries again)" in again.output
    retried = runner.invoke(command, [*arguments, "--retry-failed"], catch_exceptions=False)
    assert "already prepared" not in retried.output
    assert retried.exit_code == 0
