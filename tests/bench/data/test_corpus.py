from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.load import Request, open_source
from bench.data.page_text import MAX_CHARACTERS
from bench.data.prepare import prepare
from bench.data.source import Source
from shared.errors import UserError
from shared.store import Store
from shared.words import read_words

REUTERS = Path(__file__).parents[4] / "shared" / "data" / "reuters"
MIXED = "شهادة ‏שלום 文書の分類 e\u0301 \u200d🗎\ttab\r\nend "


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def single(num: int, first: int = 0, **more: Any) -> list[dict[str, Any]]:
    return [{"text": f"text {first + i}", "label": "ab"[i % 2], **more} for i in range(num)]


def opened(path: Path, **options: Any) -> Source:
    return open_source(Request("corpus", path, **options))


def store_of(path: Path, out: Path, **options: Any) -> Store:
    return prepare(opened(path, **options), out, 384).store


def sizes(store: Store) -> list[int]:
    return [len(store.indices(split)) for split in ("train", "val", "test")]


def test_a_file_a_split(tmp_path: Path) -> None:
    write(tmp_path / "set" / "train.jsonl", single(40))
    write(tmp_path / "set" / "test.jsonl", single(6, 100, id="x")[:1] + single(5, 101))
    store = store_of(tmp_path / "set", tmp_path / "out")
    assert (store.name, store.pixels, store.image_size, store.multi_label) == ("corpus", None, None, False)
    assert store.manifest["image_size"] is None
    assert sizes(store) == [36, 4, 6]
    assert store.counts()["val"] == {"a": 2, "b": 2}  # stratified
    assert store.text is not None
    assert [store.text[i] for i in (0, 39, 40)] == ["text 0", "text 39", "text 100"]
    assert [store.names[i] for i in (0, 40, 41)] == ["train.jsonl 1", "x", "test.jsonl 2"]
    assert store.labels[:4].tolist() == [0, 1, 0, 1]
    assert read_words(store) is None
    assert store.manifest["text"] == {"empty": 0, "cut": []}
    assert "resize_filter" not in store.manifest
    assert sizes(store_of(tmp_path / "set", tmp_path / "half", val_share=0.5)) == [20, 20, 6]
    assert sizes(store_of(tmp_path / "set", tmp_path / "none", val_share=0.0)) == [40, 0, 6]
    write(tmp_path / "set" / "val.jsonl", single(2, 200))
    assert sizes(store_of(tmp_path / "set", tmp_path / "own")) == [40, 2, 6]


def test_one_file_with_or_without_split(tmp_path: Path) -> None:
    rows = single(4, split="train") + single(2, 4, split="val") + single(2, 6, split="test")
    assert sizes(store_of(write(tmp_path / "a.jsonl", rows), tmp_path / "a")) == [4, 2, 2]
    plain = write(tmp_path / "b.jsonl", single(20))
    assert sizes(store_of(plain, tmp_path / "b")) == [16, 2, 2]
    assert sizes(store_of(plain, tmp_path / "c", split=(0.5, 0.0, 0.5))) == [10, 0, 10]
    assert sizes(store_of(plain, tmp_path / "d", limit=10)) == [8, 1, 1]


def test_several_labels_a_document(tmp_path: Path) -> None:
    rows = [{"title": "T", "body": "b\nc", "labels": ["x", "10", "x"]}, {"body": "only", "labels": []}] * 10
    test = [{"title": "t", "body": "", "labels": ["z"]}, {"title": None, "body": None, "labels": ["x"]}]
    write(tmp_path / "set" / "train.jsonl", rows)
    write(tmp_path / "set" / "test.jsonl", test)
    store = store_of(tmp_path / "set", tmp_path / "out")
    assert store.multi_label
    assert store.classes == ["10", "x", "z"]
    assert store.labels.dtype == np.uint8
    assert store.labels[[0, 1, 20, 21]].tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert store.text is not None
    assert [store.text[i] for i in (0, 1, 20, 21)] == ["T\nb\nc", "only", "t\n", ""]
    assert store.manifest["text"]["empty"] == 1
    assert sizes(store) == [18, 2, 2]
    assert "train: no document of 'z' (1 of 3 classes)" in store.manifest["notes"]
    assert "test: no document of '10' (1 of 3 classes)" in store.manifest["notes"]
    assert sizes(store_of(tmp_path / "set", tmp_path / "few", limit=11)) == [9, 1, 1]


def test_text_survives_byte_by_byte(tmp_path: Path) -> None:
    rows = [*single(4), {"text": MIXED, "label": "a"}, {"text": "", "label": "b"}]
    store = store_of(write(tmp_path / "c.jsonl", [*rows, {"text": "x\ud800y", "label": "a"}][:6]), tmp_path / "out")
    assert store.text is not None
    assert store.text[4] == MIXED
    assert store.text[5] == ""
    assert (tmp_path / "out" / "text.utf8").read_bytes() == ("text 0text 1text 2text 3" + MIXED).encode()
    path = tmp_path / "escaped.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"text": "x\ud800y", "label": "a"}]))
    escaped = store_of(path, tmp_path / "escaped")
    assert escaped.text is not None
    assert (escaped.text[4], escaped.text[6]) == (MIXED, "x?y")


def test_a_megabyte_is_cut(tmp_path: Path) -> None:
    rows = [{"id": "long", "text": "é" * (MAX_CHARACTERS + 5), "label": "a"}, *single(6)]
    store = store_of(write(tmp_path / "c.jsonl", rows), tmp_path / "out")
    assert store.text is not None
    assert store.text[0] == "é" * MAX_CHARACTERS
    assert store.text[1] == "text 0"
    assert store.manifest["text"]["cut"] == [{"file": "long", "characters": MAX_CHARACTERS + 5}]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"label": "a"}, "line 3: no `text`"),
        ({"text": 5, "label": "a"}, "line 3: its text is not a string"),
        ({"title": "t", "body": ["b"], "label": "a"}, "line 3: its text is not a string"),
        ({"text": "t"}, "line 3: give either `label` or `labels`"),
        ({"text": "t", "label": "a", "labels": ["a"]}, "line 3: give either `label` or `labels`"),
        ({"text": "t", "label": ["a"]}, r"line 3: label \['a'\]: it has to be a string or a whole number"),
        ({"text": "t", "label": ""}, "line 3: no `label`: it is empty"),
        ({"text": "t", "label": None}, "line 3: label None: it has to be a string"),
        ({"text": "t", "labels": "a"}, "line 3: several labels are a list"),
        ({"text": "t", "labels": ["a"]}, "line 3: `label` in some rows and `labels` in others"),
        ({"text": "t", "label": "a", "split": "train"}, "line 3: split in some rows and not in others"),
        ({"text": "t", "label": "a", "split": "dev"}, "line 3: unknown split 'dev'"),
        ({"text": "t", "label": "a", "id": "c.jsonl 1"}, r"line 3: c\.jsonl 1 is named before, by .*line 1"),
        (["t"], "line 3: expected an object"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened(write(tmp_path / "c.jsonl", [*single(2), row]))


def test_bad_bytes_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", single(2))
    good = path.read_bytes()
    path.write_bytes(good + b'{"text": "\xff", "label": "a"}\n')
    with pytest.raises(UserError, match=r"c\.jsonl line 3: not UTF-8 text \(byte 10\)"):
        opened(path)
    path.write_bytes(good + b"[" * 100_000)
    with pytest.raises(UserError, match=r"c\.jsonl line 3: not JSON"):
        opened(path)


def test_bad_corpora(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file or folder"):
        opened(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no train\.jsonl"):
        opened(tmp_path / "empty")
    with pytest.raises(UserError, match="no document in it"):
        opened(write(tmp_path / "none.jsonl", []))
    with pytest.raises(UserError, match=r"1 label\(s\)"):
        opened(write(tmp_path / "one.jsonl", single(1)))


@pytest.mark.parametrize("splits", [("test",), ("val",), ("test", "val")])
def test_a_label_that_is_never_trained_on(tmp_path: Path, splits: tuple[str, ...]) -> None:
    rows = single(4, split="train") + single(2, 4, split="val")
    rows += [{"text": "t", "label": "rare", "split": split} for split in splits]
    with pytest.raises(UserError, match=f"label 'rare' is in {' and '.join(splits)} alone, never in train"):
        opened(write(tmp_path / "c.jsonl", rows))


def test_a_label_that_is_never_tested(tmp_path: Path) -> None:
    rows = [*single(4, split="train"), {"text": "t", "label": "rare", "split": "train"}, *single(2, 4, split="test")]
    store = store_of(write(tmp_path / "c.jsonl", rows), tmp_path / "out", val_share=0.0)
    assert store.manifest["notes"] == ["test: no document of 'rare' (1 of 3 classes)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": (0.8, 0.1, 0.1)}, "has its own split"),
        ({"ocr": "tesseract"}, "corpus takes no --ocr"),
        ({"pages": 3}, "corpus takes no --pages"),
    ],
)
def test_options_of_no_use_for_a_corpus(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "c.jsonl", single(4, split="train") + single(2, 4, split="val"))
    with pytest.raises(UserError, match=message):
        opened(path, **options)
    with pytest.raises(UserError, match="has its own val documents"):
        opened(path, val_share=0.1)
    with pytest.raises(UserError, match="has no split of its own"):
        opened(write(tmp_path / "d.jsonl", single(4)), val_share=0.1)


def test_changed_text_is_another_store(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jsonl", single(20))
    store_of(path, tmp_path / "out")
    assert prepare(opened(path), tmp_path / "out", 384).existed
    rows = single(20)
    rows[3]["text"] = "other"
    with pytest.raises(UserError, match=r"no pages, 20 documents; asked for: corpus, no pages, 20"):
        store_of(write(path, rows), tmp_path / "out")


@pytest.mark.skipif(not REUTERS.is_dir(), reason="Reuters-21578 is not on this machine")
def test_reuters(tmp_path: Path) -> None:
    store = store_of(REUTERS, tmp_path / "out")
    assert (store.multi_label, len(store.classes), sizes(store)) == (True, 90, [6993, 777, 3019])
    assert store.text is not None
    assert store.text[0].startswith("BAHIA COCOA REVIEW\nShowers continued")
    assert store.labels[0].sum() == 1
    assert store.classes[int(store.labels[0].argmax())] == "cocoa"
    assert store.manifest["text"]["empty"] == 0
