from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.data.annotations import Question
from bench.data.prepare import prepare
from shared.errors import UserError
from shared.store import WORD_TAGS, string_files
from shared.words import read_words
from tests.bench.data.annotated.makers import boxes, notes, opened, put, put_image, read, refused, tags


def entry(image: str, question: str, *answers: str, **more: Any) -> dict[str, Any]:
    return {"questionId": 1, "question": question, "image": image, "docId": 1, "answers": list(answers), **more}


def questions(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"dataset_version": "1.0", "dataset_split": "train", "data": list(entries)}


def ocr(*words: dict[str, Any]) -> dict[str, Any]:
    line = {"boundingBox": [0] * 8, "text": "a line", "words": list(words)}
    page = {"page": 1, "clockwiseOrientation": 0.1, "width": 100, "height": 200, "unit": "pixel", "lines": [line]}
    return {"status": "Succeeded", "recognitionResults": [page]}


def word(text: str, left: int) -> dict[str, Any]:
    return {"boundingBox": [left, 20, left + 9, 21, left + 9, 40, left, 38], "text": text, "confidence": "Low"}


def train(root: Path) -> Path:
    """The questions of train: three about two pages."""
    asked = [("a_1", "Who?", ["Ann", "ann b"]), ("b_1", "When?", ["1999"]), ("a_1", "What is it?", ["a letter"])]
    return put(
        root / "train_v1.0.json", questions(*(entry(f"documents/{image}.png", *q, *a) for image, *q, a in asked))
    )


@pytest.fixture
def docvqa(tmp_path: Path) -> Path:
    root = tmp_path / "docvqa"
    train(root)
    put(root / "val_v1.0.json", questions(entry("documents/c_1.png", "Where?", "here")))
    unanswered = entry("documents/d_1.png", "Why?")
    del unanswered["answers"]
    put(root / "test_v1.0.json", questions(unanswered))
    for number, name in enumerate("abcd"):
        put_image(root / "documents" / f"{name}_1.png", seed=number)
    put(root / "ocr_results" / "a_1.json", ocr(word("Dear", 10), word("Ann", 30)))
    put(root / "ocr_results" / "b_1.json", ocr())
    put(root / "ocr_results" / "c_1.json", {"status": "Failed"})
    return root


def test_a_document_is_a_page_with_all_its_questions(docvqa: Path) -> None:
    source = opened("docvqa", docvqa)
    assert [(page.name, page.split) for page in source.pages] == [
        ("documents/a_1.png", "train"),
        ("documents/b_1.png", "train"),
        ("documents/c_1.png", "val"),
        ("documents/d_1.png", "test"),
    ]
    found = read(source)
    assert found.questions == (Question("Who?", ("Ann", "ann b")), Question("What is it?", ("a letter",)))
    assert tags(found) == [[("Dear", "O"), ("Ann", "O")]]
    assert boxes(found) == [(10, 20, 19, 40), (30, 20, 39, 40)]
    assert found.size == (100, 200)
    assert read(source, 1).lines == [[]]
    assert notes(read(source, 2)) == {"pages whose OCR file has no result": 1}
    assert notes(read(source, 3)) == {"pages without an OCR file": 1}
    assert read(source, 3).questions == (Question("Why?", ()),)


def test_the_store_holds_the_questions_and_no_tags(docvqa: Path, tmp_path: Path) -> None:
    store = prepare(opened("docvqa", docvqa), tmp_path / "store", 16, workers=1).store
    assert store.questions is not None
    assert json.loads(store.questions[0]) == [
        {"text": "Who?", "answers": ["Ann", "ann b"]},
        {"text": "What is it?", "answers": ["a letter"]},
    ]
    assert store.manifest["asks"] is True
    assert WORD_TAGS not in store.manifest["bytes"] and string_files("questions")[0] in store.manifest["bytes"]
    words = read_words(store)
    assert words is not None and words.page(0)[0].box == (100, 100, 190, 200)
    assert store.manifest["annotation_notes"] == [
        "documents without a word: 3",
        "pages whose OCR file has no result: 1",
        "pages without an OCR file: 1",
    ]


def test_the_later_download_has_a_folder_a_split(docvqa: Path, tmp_path: Path) -> None:
    root = tmp_path / "later"
    content = json.loads((docvqa / "train_v1.0.json").read_text())
    put(root / "train" / "train_v1.0_withQT.json", content)
    for folder in ("documents", "ocr_results"):
        (docvqa / folder).rename(root / "train" / folder)
    source = opened("docvqa", root, val_share=0.0)
    assert [page.name for page in source.pages] == ["train/documents/a_1.png", "train/documents/b_1.png"]
    assert len(read(source).lines[0]) == 2


def test_other_questions_and_other_words_are_another_store(docvqa: Path) -> None:
    first = opened("docvqa", docvqa).fingerprint(16)
    put(docvqa / "val_v1.0.json", questions(entry("documents/c_1.png", "Where?", "there")))
    second = opened("docvqa", docvqa).fingerprint(16)
    put(docvqa / "ocr_results" / "d_1.json", ocr())
    assert len({first, second, opened("docvqa", docvqa).fingerprint(16)}) == 3


@pytest.mark.parametrize(
    ("entries", "parts"),
    [
        ([{"image": "documents/a_1.png"}], ("train_v1.0.json question 0", "`question` is missing")),
        ([{"question": "Who?"}], ("`image` is missing",)),
        ([entry("documents/a_1.png", "Who?", answers="Ann")], ("`answers` is no list of strings",)),
        ([entry("documents/z_1.png", "Who?")], ("z_1.png: no such file",)),
        ([entry("../documents/a_1.png", "Who?")], ("does not name a file in it",)),
        ([entry("/etc/hostname", "Who?")], ("does not name a file in it",)),
        ([entry("a_1.png", "Who?")], ("is not of the form documents/NAME.png",)),
        ([entry("documents/c_1.png", "Who?")], ("c_1.png is in train, too; a page belongs to one split",)),
        (["Who?"], ("`data` is missing or no list of objects",)),
    ],
)
def test_questions_that_are_refused(docvqa: Path, entries: list, parts: tuple[str, ...]) -> None:
    put(docvqa / "train_v1.0.json", questions(*entries))
    message = refused("docvqa", docvqa)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("{", ("a_1.json: not JSON",)),
        ({"recognitionResults": 5}, ("`recognitionResults` is missing or no list",)),
        ({"recognitionResults": [{"width": 1, "height": 1}]}, ("`lines` is missing",)),
        ({"recognitionResults": [{"lines": []}]}, ("no `width` and `height`",)),
        (ocr({"text": "x"}), ("a_1.json line 0 word 0: no box of 8 numbers", "mend")),
        (ocr({"boundingBox": [1] * 8}), ("`text` is missing",)),
    ],
)
def test_ocr_files_that_are_refused(docvqa: Path, tmp_path: Path, content: Any, parts: tuple[str, ...]) -> None:
    put(docvqa / "ocr_results" / "a_1.json", content)
    with pytest.raises(UserError) as caught:
        prepare(opened("docvqa", docvqa), tmp_path / "store", 16, workers=1)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and all(part in message for part in parts), message


def test_a_folder_without_questions_is_refused(docvqa: Path) -> None:
    (docvqa / "train_v1.0.json").unlink()
    assert "train_v1.0.json, val_v1.0.json and test_v1.0.json" in refused("docvqa", docvqa)
