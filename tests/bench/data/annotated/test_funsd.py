from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.annotations import tag_names
from bench.data.prepare import prepare
from shared.store import WORD_TAGS
from shared.words import read_words
from tests.bench.data.annotated.makers import SHARED, boxes, notes, opened, put, put_image, read, refused, tags

Form = list[dict[str, Any]]
FUNSD = SHARED / "funsd"


def word(text: str, x: int = 0, **more: Any) -> dict[str, Any]:
    return {"text": text, "box": [x, 10, x + 5, 20], **more}


FORM: Form = [
    {
        "id": 0, "label": "question", "text": "Name :", "box": [0, 0, 99, 99], "linking": [[0, 1]],
        "words": [word("Name", 1), word(":", 7)],
    },
    {
        "id": 1, "label": "answer", "text": " Ann", "box": [0, 0, 9, 9], "linking": [],
        "words": [word(""), word("Ann", 20)],
    },
    {"id": 2, "label": "header", "text": "FORM", "box": [0, 0, 9, 9], "linking": [], "words": [word("FORM", 30)]},
    {"id": 3, "label": "other", "text": "p. 1", "box": [0, 0, 9, 9], "linking": [], "words": [word("p."), word("1")]},
    {"id": 4, "label": "answer", "text": "", "box": [0, 0, 9, 9], "linking": [], "words": []},
]  # fmt: skip


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """Two forms to train on, one to test."""
    root = tmp_path / "official"
    for number, (folder, name) in enumerate([("training", "a"), ("training", "b"), ("testing", "c")]):
        put(root / f"{folder}_data" / "annotations" / f"{name}.json", {"form": FORM if name == "a" else []})
        put_image(root / f"{folder}_data" / "images" / f"{name}.png", seed=number)
    return root


def edition_form(**changes: Any) -> dict[str, Any]:
    return {
        "document": [
            {"id": 0, "box": [0, 0, 9, 9], "text": "a b", "words": [word("a", 1, id=0), word("b", 2, id=1)]},
            {"id": 1, "box": [0, 0, 9, 9], "text": "c d", "words": [word("c", 3, id=2), word(" ", 4, id=3)]},
            {"id": 2, "box": [0, 0, 9, 9], "text": "e", "words": [word("e", 5, id=4), word("f", 6, id=5)]},
        ],
        "label_entities": [
            {"entity_id": 0, "label": "answer", "word_idx": [5, 1]},
            {"entity_id": 1, "label": "question", "word_idx": [2, 3, 4]},
        ],
        "img": {"fname": "images/a.png", "width": 50, "height": 80},
        **changes,
    }


@pytest.fixture
def edition(tmp_path: Path) -> Path:
    """The re-annotated layout: a form to train on, one to test."""
    root = tmp_path / "edition"
    put(root / "jsons" / "a.json", edition_form())
    put(
        root / "jsons" / "b.json",
        edition_form(document=[], label_entities=[], img={"fname": "images/b.png", "width": 9, "height": 9}),
    )
    put(root / "data.train.txt", "a.json\n")
    put(root / "data.val.txt", "b.json\n")
    put_image(root / "images" / "a.png", 50, 80)
    put_image(root / "images" / "b.png", 50, 80, seed=1)
    return root


def test_official_words_are_tagged_segment_by_segment_and_keep_their_own_boxes(official: Path) -> None:
    source = opened("funsd", official, val_share=0.0)
    assert source.classes == ["funsd"]
    assert [(page.name, page.split, page.label) for page in source.pages] == [
        ("training_data/images/a.png", "train", 0),
        ("training_data/images/b.png", "train", 0),
        ("testing_data/images/c.png", "test", 0),
    ]
    form = read(source)
    assert form.size == (100, 200)
    assert tags(form) == [
        [("Name", "B-question"), (":", "I-question")],
        [("", "O"), ("Ann", "B-answer")],  # a store leaves the blank word out: the next one begins the entity
        [("FORM", "B-header")],
        [("p.", "O"), ("1", "O")],
        [],
    ]
    assert boxes(form)[:2] == [(1, 10, 6, 20), (7, 10, 12, 20)]
    assert read(source, 1).lines == []


def test_a_share_of_train_becomes_val(official: Path) -> None:
    source = opened("funsd", official, val_share=0.5)
    assert sorted(page.split for page in source.pages) == ["test", "train", "val"]
    assert source.notes == ["the data set has no val: 50% of train were drawn as val (--val-share)"]
    assert len(opened("funsd", official, limit=2).pages) == 2


def test_edition_entities_are_lists_of_words_wherever_they_stand(edition: Path) -> None:
    source = opened("funsd", edition, val_share=0.0)
    assert [(page.name, page.split) for page in source.pages] == [("images/a.png", "train"), ("images/b.png", "test")]
    form = read(source)
    assert form.size == (50, 80)
    assert tags(form) == [
        [("a", "O"), ("b", "B-answer")],
        [("c", "B-question"), (" ", "O")],
        [("e", "I-question"), ("f", "B-answer")],
    ]
    assert notes(form) == {"pieces of entities whose words do not follow each other": 1}


def test_a_store_has_a_tag_for_each_of_its_words(official: Path, tmp_path: Path) -> None:
    store = prepare(opened("funsd", official, val_share=0.0), tmp_path / "store", 16, workers=1).store
    words = read_words(store)
    assert words is not None
    names = store.manifest["tags"]
    assert names == tag_names(("header", "question", "answer"))
    numbers = np.load(store.path / WORD_TAGS)
    assert [(each.text, names[tag]) for each, tag in zip(words.page(0), numbers, strict=True)] == [
        ("Name", "B-question"), (":", "I-question"), ("Ann", "B-answer"), ("FORM", "B-header"), ("p.", "O"), ("1", "O"),
    ]  # fmt: skip
    assert words.page(0)[0].box == (10, 50, 60, 100)
    assert store.manifest["annotation_notes"] == [
        "documents without a word: 2", "words without a character, left out: 1",
    ]  # fmt: skip
    assert prepare(opened("funsd", official, val_share=0.0), tmp_path / "store", 16, workers=1).existed


def test_the_store_depends_on_the_annotations(official: Path) -> None:
    before = opened("funsd", official).fingerprint(16)
    put(official / "training_data" / "annotations" / "b.json", {"form": FORM[:1]})
    assert opened("funsd", official).fingerprint(16) != before


@pytest.mark.parametrize(
    ("segment", "parts"),
    [
        ({"label": "title", "words": []}, ("a.json segment 0", "'title' is none of header, question, answer, other")),
        ({"words": []}, ("a.json segment 0", "label None")),
        ({"label": "answer", "text": "x"}, ("a.json segment 0", "`words` is missing")),
        ({"label": "answer", "words": [{"text": "x"}]}, ("a.json segment 0 word 0", "no box of 4 numbers", "mend")),
        ({"label": "answer", "words": [word("x", box=[1, 2, 3])]}, ("segment 0 word 0", "no box of 4 numbers")),
        ({"label": "answer", "words": [word("x", box=[1, 2, 3, "4"])]}, ("no box of 4 numbers",)),
        ({"label": "answer", "words": [word("x", box=[1, 2, 3, 1e300])]}, ("no box of 4 numbers",)),
        ({"label": "answer", "words": [{"box": [1, 2, 3, 4]}]}, ("`text` is missing",)),
        ({"label": "answer", "words": ["x"]}, ("`words` is missing or no list of objects",)),
    ],
)
def test_official_files_that_are_refused(official: Path, segment: dict, parts: tuple[str, ...]) -> None:
    put(official / "training_data" / "annotations" / "a.json", {"form": [segment]})
    message = refused("funsd", official)
    assert all(part in message for part in parts), message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"label_entities": [{"label": "answer", "word_idx": [9]}]},
            ("a.json entity 0", "no word has the id 9", "mend"),
        ),
        (
            {"label_entities": [{"label": "answer", "word_idx": [1]}, {"label": "header", "word_idx": [1]}]},
            ("a.json entity 1", "word 1 is in entity 0, too", "mend"),
        ),
        ({"label_entities": [{"label": "date", "word_idx": [1]}]}, ("entity 0", "'date' is none of")),
        ({"label_entities": [{"label": "answer"}]}, ("`word_idx` is missing",)),
        ({"label_entities": [{"label": "answer", "word_idx": ["1"]}]}, ("word id '1'",)),
        ({"document": [{"words": [word("a", id=1), word("b", id=1)]}]}, ("two words have the id 1",)),
        ({"document": [{"words": [word("a")]}]}, ("word id None",)),
        ({"img": {"fname": "images/a.png"}}, ("`img`", "no `width` and `height` above 0")),
        ({"img": {"fname": "images/a.png", "width": 0, "height": 5}}, ("no `width` and `height` above 0",)),
        ({"img": {"fname": "../a.png", "width": 5, "height": 5}}, ("'../a.png' does not name a file in it",)),
        ({"img": {"width": 5, "height": 5}}, ("'None' does not name a file in it",)),
        ({"img": {"fname": "images/z.png", "width": 5, "height": 5}}, ("images/z.png: no such file",)),
    ],
)
def test_edition_files_that_are_refused(edition: Path, changes: dict, parts: tuple[str, ...]) -> None:
    put(edition / "jsons" / "a.json", edition_form(**changes))
    message = refused("funsd", edition)
    assert all(part in message for part in parts), message


def test_a_list_that_names_a_form_twice_or_one_elsewhere_is_refused(edition: Path) -> None:
    put(edition / "data.val.txt", "a.json\n")
    assert "data.val.txt line 1: a.json is named before" in refused("funsd", edition)
    put(edition / "data.val.txt", "../a.json\n")
    assert "does not name a file in it" in refused("funsd", edition)


def test_another_layout_is_refused_with_what_is_due(official: Path, tmp_path: Path) -> None:
    assert "training_data/ and testing_data/" in refused("funsd", official / "training_data")
    assert f"give {official}" in refused("funsd", tmp_path)
    (official / "training_data" / "images" / "a.png").unlink()
    assert "a.png: no such file; unpack the data set again" in refused("funsd", official)


def test_a_page_that_cannot_be_read_is_listed(official: Path, tmp_path: Path) -> None:
    (official / "training_data" / "images" / "a.png").write_bytes(b"no image")
    store = prepare(opened("funsd", official, val_share=0.0), tmp_path / "store", 16, workers=1).store
    assert [each["file"] for each in store.manifest["rejected"]] == ["training_data/images/a.png"]


@pytest.mark.skipif(not FUNSD.is_dir(), reason="FUNSD is not beside the project, in shared/data/funsd")
def test_the_re_annotated_funsd(tmp_path: Path) -> None:
    source = opened("funsd", FUNSD, val_share=0.0)
    splits = [page.split for page in source.pages]
    assert (splits.count("train"), splits.count("test")) == (149, 50)
    store = prepare(source, tmp_path / "store", 16, workers=1).store
    numbers = np.load(store.path / WORD_TAGS)
    words = read_words(store)
    assert words is not None
    assert len(numbers) == len(words.boxes) == store.manifest["text"]["words"]
    assert len(numbers) == 31_297
    names = store.manifest["tags"]
    found = {name: int((numbers == names.index(f"B-{name}")).sum()) for name in ("header", "question", "answer")}
    assert found == {"header": 553, "question": 4271, "answer": 3574}
    assert store.manifest["rejected"] == store.manifest["annotation_notes"] == []


@pytest.mark.parametrize(("layout", "folder"), [("official", "testing_data/images"), ("edition", "images")])
def test_an_image_without_an_annotation_is_told(layout: str, folder: str, request: pytest.FixtureRequest) -> None:
    root: Path = request.getfixturevalue(layout)
    before = opened("funsd", root, val_share=0.0).notes
    (root / folder / "more.png").write_bytes(b"an image")
    (root / folder / "readme.txt").write_text("no image")
    assert opened("funsd", root, val_share=0.0).notes == [
        *before, "1 image without an annotation, left out; the first: more.png",
    ]  # fmt: skip
