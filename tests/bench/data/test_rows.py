"""One set of rules for rows, whatever file they stand in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.load import Request, open_source
from bench.data.rows import csv_rows, label_of, look_alikes, name_of, split_of
from bench.data.source import Source
from shared.errors import UserError

MakePage = Callable[..., Path]


def index(folder: Path, content: str, suffix: str = ".jsonl") -> Source:
    (folder / f"index{suffix}").write_text(content, encoding="utf-8")
    return open_source(Request("index", folder / f"index{suffix}"))


def corpus(folder: Path, content: str) -> Source:
    (folder / "corpus.jsonl").write_text(content, encoding="utf-8")
    return open_source(Request("corpus", folder / "corpus.jsonl"))


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (" memo\t", "memo"),
        ("memo\r\n", "memo"),
        ("news  article", "news article"),
        ("news\u00a0article", "news article"),
        ("re\u0301sume\u0301", "r\u00e9sum\u00e9"),
        ("文書", "文書"),
        ("[b]", "[b]"),
        (7, "7"),
        (0, "0"),
        (-1, "-1"),
    ],
)
def test_labels_that_look_the_same_are_the_same(value: Any, label: str) -> None:
    assert label_of(value, "here") == label


@pytest.mark.parametrize("value", [True, False, None, 1.0, float("nan"), ["memo"], {"id": 1}, b"memo"])
def test_what_is_no_label(value: Any) -> None:
    with pytest.raises(UserError, match=r"here: label .*: it has to be a string or a whole number"):
        label_of(value, "here")


@pytest.mark.parametrize("value", ["", " ", "\u3000\n"])
def test_blank_labels(value: str) -> None:
    with pytest.raises(UserError, match="here: no `label`: it is empty"):
        label_of(value, "here")


@pytest.mark.parametrize("value", ["me\u200bmo", "memo\u202e", "m\ud83d", "memo\x00", "\x1b[31mmemo"])
def test_labels_that_cannot_be_shown(value: str) -> None:
    with pytest.raises(UserError, match="cannot be shown") as caught:
        label_of(value, "here")
    assert str(caught.value).isprintable()
    assert str(caught.value).isascii()


def test_ids_may_hold_anything_but_nothing() -> None:
    assert name_of("a\ud83d", "here", "id") == "a\ud83d"
    with pytest.raises(UserError, match="here: no `id`"):
        name_of(" ", "here", "id")


def test_splits() -> None:
    assert [split_of(value, "here") for value in (None, "", " ", "train", " test ")] == ["", "", "", "train", "test"]
    for value in ("Train", "dev", 0, False, [], ["train"]):
        with pytest.raises(UserError, match="here: unknown split"):
            split_of(value, "here")


def test_index_and_corpus_obey_the_same_rules(tree: Path) -> None:
    for value in (["memo", "urgent"], {"id": 1}, 1.0, True, " ", float("nan"), "memo\u200b"):
        for read, fields in ((index, {"file": "memo/0.png"}), (corpus, {"text": "t"})):
            with pytest.raises(UserError, match=r"jsonl line 1: .*label"):
                read(tree, json.dumps({**fields, "label": value}))
    labels = ["memo", "memo ", " letter", "le\u0301tter", "l\u00e9tter", 1, "1"]
    rows = [json.dumps({"file": f"memo/{i}.png", "text": "t", "label": label}) for i, label in enumerate(labels)]
    for read in (index, corpus):
        source = read(tree, "\n".join(rows))
        assert source.classes == ["1", "letter", "l\u00e9tter", "memo"]
        assert [page.label for page in source.pages] == [3, 3, 1, 2, 2, 0, 0]
    quoted = "".join(f'memo/{i}.png,"{label}"\n' for i, label in enumerate(labels))
    assert index(tree, "file,label\n" + quoted, ".csv").classes == ["1", "letter", "l\u00e9tter", "memo"]


def test_a_key_that_stands_twice(tree: Path) -> None:
    for read in (index, corpus):
        with pytest.raises(UserError, match="line 1: not JSON: the key 'label' is there twice"):
            read(tree, '{"file": "memo/0.png", "text": "t", "label": "a", "label": "b"}')


def test_a_nan_that_nobody_reads_does_no_harm(tree: Path) -> None:
    rows = [f'{{"text": "t", "label": "{label}", "score": NaN}}' for label in "ab"]
    assert corpus(tree, "\n".join(rows)).classes == ["a", "b"]


def test_file_and_label_of_an_index(tree: Path) -> None:
    for row, message in (
        ('{"file": 5, "label": "a"}', "no `file`, or not a string"),
        ('{"file": "memo/0.png", "labels": ["a"]}', r"no `label`.*see `corpus`"),
        ('{"file": "memo/0.png", "label": null}', "no `label`"),
        ('{"file": "memo/0.png", "label": "a", "split": true}', "unknown split True"),
    ):
        with pytest.raises(UserError, match=f"line 1: {message}"):
            index(tree, row)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("File,Label\n", "line 1: the header has 'File'; write it in small letters: file"),
        ("file,LABEL\n", "line 1: the header has 'LABEL'; write it in small letters: label"),
        ("file;label\n", "separated by semicolons; save the file with commas"),
        ("file\tlabel\n", "separated by tabs; save the file with commas"),
        ("file,label,label\n", "the header names 'label' twice"),
        ("path,label\n", "no `file` in the header 'path,label'"),
        ("file,label\na.png\n", "line 2: 1 columns, the header has 2"),
        ("file,label\n\na, b.png,memo\n", "line 3: 3 columns, the header has 2; put quotes"),
        ('file,label\n"a.png,memo\n', "not a readable CSV"),
    ],
)
def test_csv_files_that_are_not_as_they_should_be(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "i.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        list(csv_rows(tmp_path / "i.csv", ("file", "label")))


def test_csv_files_as_programs_write_them(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_bytes(
        '\ufeff\r\n file , label,note\r\n"a, b.png","x\r\ny",\r\n , ,\r\nc,d,e\r\n'.encode()
    )
    assert list(csv_rows(tmp_path / "i.csv", ("file", "label"))) == [
        (f"{tmp_path}/i.csv line 4", {"file": "a, b.png", "label": "x\r\ny", "note": ""}),
        (f"{tmp_path}/i.csv line 6", {"file": "c", "label": "d", "note": "e"}),
    ]


def test_labels_that_may_be_the_same_are_noted(tree: Path) -> None:
    assert look_alikes(["memo", "Memo", "1", "1.0", "01", "letter"]) == [
        "labels 'memo', 'Memo' are 2 classes; if they mean the same, write them alike",
        "labels '1', '1.0', '01' are 3 classes; if they mean the same, write them alike",
    ]
    rows = [json.dumps({"text": "t", "label": label}) for label in ("Memo", "memo")]
    assert corpus(tree, "\n".join(rows)).notes == look_alikes(["Memo", "memo"])


def test_splits_of_a_corpus_by_other_names(tmp_path: Path) -> None:
    for name in ("train", "Valid", "testing"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "t", "label": "a"}\n{"text": "u", "label": "b"}\n')
    source = open_source(Request("corpus", tmp_path))
    assert [page.split for page in source.pages] == ["train", "train", "val", "val", "test", "test"]
    for name, message in (("dev", "a second file of val|Valid.jsonl: a second"), ("extra", "extra.jsonl: no split's")):
        (tmp_path / f"{name}.jsonl").write_text("")
        with pytest.raises(UserError, match=message):
            open_source(Request("corpus", tmp_path))
        (tmp_path / f"{name}.jsonl").unlink()
