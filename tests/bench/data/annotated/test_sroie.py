from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.prepare import prepare
from shared.store import WORD_TAGS
from shared.words import read_words
from tests.bench.data.annotated.makers import SHARED, boxes, notes, opened, put, put_image, read, refused, tags

SROIE = SHARED / "sroie-mini"
KEY = {"company": "Tan & Co. Sdn Bhd", "date": "25/12/2018", "address": "1, Jalan A, 81100 Johor.", "total": "9.00"}


def line(left: int, top: int, right: int, text: str) -> str:
    return f"{left},{top},{right},{top},{right},{top + 10},{left},{top + 10},{text}\n"


RECEIPT = "".join([
    line(0, 0, 90, "TAN & CO SDN. BHD"),
    line(0, 20, 90, "1,JALAN A,"),
    "\n",
    line(0, 40, 90, "81100 JOHOR"),
    line(0, 60, 90, "Date: (25/12/2018) 9.00"),
    line(0, 80, 40, "TOTAL:"),
    line(50, 82, 90, "RM9.00"),
    line(0, 100, 40, "CASH"),
    line(50, 100, 90, "9.00"),
])  # fmt: skip


@pytest.fixture
def sroie(tmp_path: Path) -> Path:
    """A receipt to train on, one to test, of which the second has no image."""
    root = tmp_path / "sroie"
    put(root / "split.json", {"train": ["000"], "test": ["004"]})
    put(root / "box" / "000.csv", RECEIPT)
    put(root / "box" / "004.csv", line(10, 0, 110, "ABC") + line(0, 30, 50, "x"))
    put(root / "key" / "000.json", KEY)
    put(root / "key" / "004.json", {"company": "XYZ", "date": " "})
    put_image(root / "img" / "000.jpg", 100, 200)
    return root


def test_values_are_found_in_lines_that_were_cut_into_words(sroie: Path) -> None:
    source = opened("sroie", sroie, val_share=0.0)
    assert [(page.name, page.split) for page in source.pages] == [("img/000.jpg", "train"), ("img/004.jpg", "test")]
    found = read(source)
    assert tags(found) == [
        [("TAN", "B-company"), ("&", "I-company"), ("CO", "I-company"), ("SDN.", "I-company"), ("BHD", "I-company")],
        [("1,JALAN", "B-address"), ("A,", "I-address")],
        [("81100", "I-address"), ("JOHOR", "I-address")],
        [("Date:", "O"), ("(25/12/2018)", "B-date"), ("9.00", "O")],
        [("TOTAL:", "O")],
        [("RM9.00", "B-total")],  # neither the price above it nor the cash below
        [("CASH", "O")],
        [("9.00", "O")],
    ]
    assert found.size == (100, 200)
    assert boxes(found)[5] == pytest.approx((0, 20, 63, 30))  # 7 of 10 characters of 90 pixels
    assert boxes(found)[6] == pytest.approx((72, 20, 90, 30))
    assert notes(found) == {f"{name}: found in the text": 1 for name in KEY}


def test_a_receipt_without_an_image_is_a_white_page(sroie: Path, tmp_path: Path) -> None:
    source = opened("sroie", sroie, val_share=0.0)
    found = read(source, 1)
    assert found.size == (110, 40)
    assert notes(found) == {
        "company: not in the text": 1,
        "date: not given": 1,
        "address: not given": 1,
        "total: not given": 1,
        "receipts without an image: a white page, as large as their boxes need": 1,
    }
    store = prepare(source, tmp_path / "store", 16, workers=1).store
    assert store.pixels is not None and (store.pixels[1] == 255).all() and (store.pixels[0] < 255).any()
    assert len(np.load(store.path / WORD_TAGS)) == store.manifest["text"]["words"] == 18
    assert "total: found in the text: 1" in store.manifest["annotation_notes"]
    before = source.fingerprint(16)
    put_image(sroie / "img" / "004.jpg")
    assert opened("sroie", sroie, val_share=0.0).fingerprint(16) != before


@pytest.mark.parametrize(
    ("lines", "value", "tagged"),
    [
        ([line(0, 0, 9, "TOTAL 5.00"), line(0, 20, 9, "5.00")], "$5.00", [0]),  # beside the word
        ([line(0, 0, 9, "5.00"), line(0, 20, 9, "5.00")], "5.00", [1]),  # no word: the last
        ([line(0, 0, 9, "SUBTOTAL 5.00"), line(0, 20, 9, "TOTAL 5.00")], "5.00", [1]),
        ([line(0, 0, 9, "1 2.00")], "12.00", []),  # not two words together
        ([line(0, 0, 9, "TOTAL 1,205.00")], "1205.00", [0]),
        ([line(0, 0, 9, "TOTAL -5.00")], "5.00", []),
        ([line(0, 0, 9, "TOTAL")], "none", []),
    ],
)
def test_the_total_is_the_one_beside_its_name(sroie: Path, lines: list[str], value: str, tagged: list[int]) -> None:
    put(sroie / "box" / "000.csv", "".join(lines))
    put(sroie / "key" / "000.json", {"total": value})
    found = read(opened("sroie", sroie))
    assert [row for row, of in enumerate(found.lines) if any(word.tag == "B-total" for word in of)] == tagged


def test_a_word_is_part_of_one_field(sroie: Path) -> None:
    put(sroie / "box" / "000.csv", line(0, 0, 9, "9.00"))
    put(sroie / "key" / "000.json", {"company": "9.00", "total": "9.00"})
    found = read(opened("sroie", sroie))
    assert tags(found) == [[("9.00", "B-company")]]
    assert notes(found)["total: not in the text"] == 1


def test_files_that_are_not_utf8_are_read_and_counted(sroie: Path) -> None:
    put(sroie / "box" / "000.csv", line(0, 0, 9, "CAF\xc9 \x85X").encode("latin-1"))
    found = read(opened("sroie", sroie))
    assert [word.text for word in found.lines[0]] == ["CAFÉ", "X"]
    assert notes(found)["files that are not UTF-8, read as Latin-1"] == 1


def test_an_empty_box_file_is_a_receipt_without_words(sroie: Path) -> None:
    put(sroie / "box" / "000.csv", "")
    assert read(opened("sroie", sroie)).lines == []


def test_receipts_in_no_split_are_left_out_and_counted(sroie: Path) -> None:
    put(sroie / "split.json", {"train": ["000"]})
    assert opened("sroie", sroie, val_share=0.0).notes == ["1 receipt in no split of split.json, left out"]


def test_the_official_layout(tmp_path: Path) -> None:
    root = tmp_path / "official"
    for split in ("train", "test"):
        put(root / split / "box" / "X1.txt", RECEIPT)
        put(root / split / "entities" / "X1.txt", KEY)
        put_image(root / split / "img" / "X1.jpg")
    source = opened("sroie", root, val_share=0.0)
    assert [(page.name, page.split) for page in source.pages] == [
        ("train/img/X1.jpg", "train"),
        ("test/img/X1.jpg", "test"),
    ]
    assert notes(read(source, 1)) == {f"{name}: found in the text": 1 for name in KEY}


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("box/000.csv", "1,2,3,4,5,6,7,8\n", ("000.csv line 1", "expected `x1,y1,x2,y2,x3,y3,x4,y4,text`", "mend")),
        ("box/000.csv", "1,2,3,4,5,6,7,x,TOTAL\n", ("000.csv line 1",)),
        ("box/000.csv", RECEIPT + "1,2,3,4,5,6,7,nan,TOTAL\n", ("000.csv line 10",)),
        ("key/000.json", {"total": 9.0}, ("000.json: total is 9.0, not a string",)),
        ("key/000.json", "[]", ("an object of JSON is expected",)),
        ("split.json", {"train": "000"}, ("split.json: 'train'",)),
        ("split.json", {"training": ["000"]}, ("split.json: 'training': expected train, val, test",)),
        ("split.json", {"train": ["../000"]}, ("'../000' is no name of a receipt",)),
        ("split.json", {"train": [0]}, ("0 is no name of a receipt",)),
        ("split.json", {"train": ["000"], "test": ["000"]}, ("000 is named before",)),
        ("split.json", {"train": ["001"]}, ("001.csv: no such file",)),
        ("split.json", {"test": ["000"]}, ("never in train",)),
    ],
)
def test_files_that_are_refused(sroie: Path, name: str, content: Any, parts: tuple[str, ...]) -> None:
    put(sroie / name, content)
    message = refused("sroie", sroie)
    assert all(part in message for part in parts), message


def test_layouts_that_are_refused(sroie: Path) -> None:
    assert "box/, key/ and split.json" in refused("sroie", sroie / "box")
    (sroie / "split.json").unlink()
    assert "SROIE's copies have no split: write one" in refused("sroie", sroie)


@pytest.mark.skipif(not SROIE.is_dir(), reason="SROIE's receipts are not beside the project, in shared/data/sroie-mini")
def test_the_receipts_of_sroie(tmp_path: Path) -> None:
    source = opened("sroie", SROIE, val_share=0.0)
    splits = [page.split for page in source.pages]
    assert (splits.count("train"), splits.count("test")) == (118, 39)
    store = prepare(source, tmp_path / "store", 16, workers=1).store
    words = read_words(store)
    assert words is not None
    assert len(np.load(store.path / WORD_TAGS)) == len(words.boxes) == store.manifest["text"]["words"]
    assert len(words.boxes) == 17_904
    assert store.manifest["annotation_notes"] == [
        "address: found in the text: 146",
        "address: not given: 1",
        "address: not in the text: 10",
        "company: found in the text: 154",
        "company: not in the text: 3",
        "date: found in the text: 153",
        "date: not in the text: 4",
        "receipts without an image: a white page, as large as their boxes need: 113",
        "total: found in the text: 157",
    ]
