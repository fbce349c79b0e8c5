"""A document is one document: files named twice, links, the same content in two splits; and files of several pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.data import readers
from bench.data.decode import later_pages, open_page
from bench.data.derive import resized
from bench.data.load import Request, open_source
from bench.data.ocr import with_ocr
from bench.data.ocr_worker import NextPage, Reading, Work, read_document
from bench.data.prepare import prepare
from bench.data.readers import Reader, ReaderPool
from shared.errors import UserError
from shared.words import read_words
from tests.bench.data.fake_engines import Fake, Shade

MakePage = Callable[..., Path]


def index(tree: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"file": file, "label": "ab"[i % 2], "split": split}) for i, (file, split) in enumerate(rows)]
    (tree / "index.jsonl").write_text("\n".join(lines))
    return tree / "index.jsonl"


@pytest.mark.parametrize(
    "how", ["./memo/0.png", "memo//0.png", "bill/../memo/0.png", "soft.png", "hard.png", "up/0.png"]
)
def test_one_file_by_another_name(how: str, tree: Path) -> None:
    (tree / "soft.png").symlink_to("memo/0.png")
    (tree / "hard.png").hardlink_to(tree / "memo" / "0.png")
    (tree / "up").symlink_to("memo")
    path = index(tree, [("memo/0.png", "train"), ("bill/1.png", "train"), (how, "test")])
    with pytest.raises(UserError, match=r"line 3: .* is the same file as memo/0\.png, .*line 1"):
        open_source(Request("index", path))


def test_links_in_a_folder_count_once(tree: Path, tmp_path: Path) -> None:
    (tree / "memo" / "again.png").symlink_to("0.png")
    (tree / "memo" / "more").mkdir()
    os.link(tree / "memo" / "1.png", tree / "memo" / "more" / "1.png")
    store = prepare(open_source(Request("folder", tree)), tmp_path / "out", 16, workers=1).store
    assert len(store.labels) == 30
    assert store.manifest["rejected"] == [
        {"file": "memo/again.png", "reason": "the same file as memo/0.png"},
        {"file": "memo/more/1.png", "reason": "the same file as memo/1.png"},
    ]


def test_a_file_in_two_classes_or_two_splits(tree: Path, tmp_path: Path) -> None:
    os.link(tree / "memo" / "0.png", tree / "bill" / "x.png")
    with pytest.raises(UserError, match=r"bill/x\.png and memo/0\.png are one file .*, in the classes 'bill' and"):
        open_source(Request("folder", tree))
    (tree / "bill" / "x.png").unlink()
    shutil.copytree(tree, tmp_path / "set" / "train")
    shutil.copytree(tree, tmp_path / "set" / "test")
    (tmp_path / "set" / "test" / "memo" / "0.png").unlink()
    os.link(tmp_path / "set" / "train" / "memo" / "0.png", tmp_path / "set" / "test" / "memo" / "0.png")
    with pytest.raises(UserError, match=r"are one file \(a link\), in (train and test|test and train)"):
        open_source(Request("folder", tmp_path / "set"))


def test_the_same_pixels_in_two_splits_are_noted(tree: Path, tmp_path: Path) -> None:
    shutil.copyfile(tree / "memo" / "0.png", tree / "memo" / "1.png")
    Image.open(tree / "memo" / "0.png").save(tree / "memo" / "2.bmp")  # other bytes, the same pixels
    rows = [("memo/0.png", "train"), ("bill/0.png", "train"), ("memo/1.png", "test"), ("memo/2.bmp", "test")]
    store = prepare(open_source(Request("index", index(tree, rows))), tmp_path / "out", 16, workers=1).store
    notes = store.manifest["notes"]
    assert "2 documents with the pixels of one of train in test (first: memo/0.png and memo/1.png)" in notes
    assert "1 document with the pixels of one of another label (first: memo/0.png and memo/2.bmp)" in notes
    clean = prepare(open_source(Request("index", index(tree, rows[:2]))), tmp_path / "clean", 16, workers=1).store
    assert not [note for note in clean.manifest["notes"] if "pixels of one" in note]


def test_the_same_text_in_two_splits_is_noted(tmp_path: Path) -> None:
    texts = [("t", "a", "train"), ("u", "b", "train"), ("t", "a", "test"), ("", "a", "train"), ("", "b", "test")]
    rows = [json.dumps({"text": text, "label": label, "split": split}) for text, label, split in texts]
    (tmp_path / "c.jsonl").write_text("\n".join(rows))
    store = prepare(open_source(Request("corpus", tmp_path / "c.jsonl", val_share=0.0)), tmp_path / "out", 0).store
    assert store.manifest["notes"] == [
        "1 document with the text of one of train in test (first: c.jsonl 1 and c.jsonl 3)"
    ]


def test_ids_that_are_the_same(tmp_path: Path) -> None:
    for first, second in ((1, "1"), ("a", " a"), ("e\u0301", "\u00e9")):
        rows = [json.dumps({"id": name, "text": "t", "label": label}) for name, label in ((first, "a"), (second, "b"))]
        (tmp_path / "c.jsonl").write_text("\n".join(rows))
        with pytest.raises(UserError, match=r"line 2: .* is named before, by .*line 1"):
            open_source(Request("corpus", tmp_path / "c.jsonl"))


def test_ids_that_utf8_cannot_hold(tmp_path: Path) -> None:
    rows = [
        json.dumps({"id": f"a{half}", "text": "t", "label": label})
        for half, label in (("\ud83d", "a"), ("\ud83e", "b"))
    ]
    (tmp_path / "c.jsonl").write_text("\n".join(rows))
    store = prepare(open_source(Request("corpus", tmp_path / "c.jsonl")), tmp_path / "out", 0).store
    assert [store.names[row] for row in range(2)] == ["a\\ud83d", "a\\ud83e"]


@pytest.fixture
def fax(tree: Path) -> Path:
    """The tree with a TIFF of four pages: grey 200, 0, 40 and 80."""
    pages = [Image.new("L", (30, 40), level) for level in (200, 0, 40, 80)]
    pages[0].save(tree / "memo" / "fax.tif", save_all=True, append_images=pages[1:])
    return tree


def test_pages_behind_the_first_are_counted(fax: Path, tmp_path: Path) -> None:
    store = prepare(open_source(Request("folder", fax)), tmp_path / "out", 16, workers=1).store
    assert store.manifest["several_pages"] == {"files": 1, "behind_the_first": 3, "text_of_all": False}
    note = "1 file of several pages: the first of each, 3 pages left out (--pages all: the text of all)"
    assert note in store.manifest["notes"]
    smaller = resized(store, 8, tmp_path / "small", workers=1)
    assert smaller.manifest["several_pages"] == store.manifest["several_pages"]
    assert smaller.manifest["notes"].count(note) == 1


def test_the_text_of_all_pages(fax: Path, tmp_path: Path) -> None:
    first = open_source(Request("folder", fax))
    every = replace(first, later_pages=later_pages)
    one = prepare(with_ocr(first, Shade()), tmp_path / "one", 16, workers=1).store
    store = prepare(with_ocr(every, Shade()), tmp_path / "all", 16, workers=1).store
    row = next(row for row in range(31) if store.names[row] == "memo/fax.tif")
    assert store.text is not None
    assert one.text is not None
    assert (one.text[row], store.text[row]) == ("grey200", "grey200\ngrey0\ngrey40\ngrey80")
    words = read_words(store)
    assert words is not None
    assert [word.text for word in words.page(row)] == ["grey200"]  # places are the first page's, as the pixels are
    assert store.pixels is not None
    assert store.pixels[row].mean() == 200
    assert any(note.startswith("1 file of several pages: pixels of the first") for note in store.manifest["notes"])


class Line:
    """A connection that gives what it is to give, and keeps what it is given."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.sent = list(answers), []  # type: ignore[var-annotated]

    def recv(self) -> object:
        return self.answers.pop(0)

    def send(self, what: object) -> None:
        self.sent.append(what)


def test_the_time_limit_is_of_a_page_not_of_a_document(
    fax: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work(Shade(), open_page, 60.0, tmp_path, later_pages)
    said: Any = Line()
    text = read_document(str(fax / "memo" / "fax.tif"), work, work.engine.start(), said)
    assert text.text == "grey200\ngrey0\ngrey40\ngrey80"
    assert said.sent == [NextPage(2), NextPage(3), NextPage(4)]  # at each of them the harness sets the limit anew
    reader = Reader.__new__(Reader)
    reader.slot, reader.ready, reader.deadline = 7, True, 0.0
    answers: Any = Line(NextPage(2), (text, None))
    reader.connection = answers
    pool = ReaderPool([], work, 1)
    pool.readers = [reader]
    monkeypatch.setattr(readers, "wait", lambda connections, seconds: connections)
    assert list(pool.collect()) == []
    assert (reader.slot, reader.idle) == (7, False)
    assert reader.deadline > 0
    assert list(pool.collect()) == [Reading(7, text, None)]
    assert reader.idle


def test_pages_of_which_nothing_would_come(tree: Path) -> None:
    for options in ({}, {"ocr": "none"}, {"ocr": "txt"}):
        with pytest.raises(UserError, match="--pages all: without OCR it changes nothing"):
            open_source(Request("folder", tree, file_pages="all", **options))
    for kind in ("corpus", "synthetic"):
        with pytest.raises(UserError, match=f"{kind} takes no --pages first"):
            open_source(Request(kind, tree if kind == "corpus" else None, file_pages="first"))
    assert open_source(Request("folder", tree, file_pages="first")).later_pages is None
    assert with_ocr(open_source(Request("folder", tree)), Fake()).later_pages is None
