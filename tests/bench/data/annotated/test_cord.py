from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.data.annotated.cord import ENTITIES
from bench.data.prepare import prepare
from shared.store import WORD_TAGS
from shared.words import read_words
from tests.bench.data.annotated.makers import boxes, notes, opened, put, put_image, read, refused, tags


def quad(left: float, top: float, right: float, bottom: float) -> dict[str, float]:
    return {"x1": left, "y1": top, "x2": right, "y2": top + 1, "x3": right, "y3": bottom, "x4": left, "y4": bottom}


def line(category: str, *words: str, **more: Any) -> dict[str, Any]:
    listed = [
        {"quad": quad(20 + i, 40, 24 + i, 50), "is_key": 0, "row_id": 1, "text": text} for i, text in enumerate(words)
    ]
    return {"words": listed, "category": category, "group_id": 3, **more}


def receipt(*lines: dict[str, Any], roi: Any = None, **more: Any) -> dict[str, Any]:
    size = {"width": 100, "height": 200}
    meta = {"version": "0.2", "image_id": 1, "split": "train", "image_size": size}
    return {"valid_line": list(lines), "meta": meta, "roi": roi or {}, "repeating_symbol": [], **more}


TWO = (line("menu.nm", "Nasi", "goreng"), line("total.total_price", "30,000"))


@pytest.fixture
def cord(tmp_path: Path) -> Path:
    root = tmp_path / "cord"
    for number, folder in enumerate(("train", "dev", "test")):
        put(root / folder / "json" / "receipt_00000.json", receipt(*TWO) if folder == "train" else receipt())
        put_image(root / folder / "image" / "receipt_00000.png", seed=number)
    return root


def put_receipt(cord: Path, content: Any) -> None:
    put(cord / "train" / "json" / "receipt_00000.json", content)


def test_a_line_is_one_entity(cord: Path) -> None:
    assert len(ENTITIES) == len(set(ENTITIES)) == 30
    source = opened("cord", cord)
    assert [(page.name, page.split) for page in source.pages] == [
        ("train/image/receipt_00000.png", "train"),
        ("dev/image/receipt_00000.png", "val"),
        ("test/image/receipt_00000.png", "test"),
    ]
    found = read(source)
    assert tags(found) == [[("Nasi", "B-menu.nm"), ("goreng", "I-menu.nm")], [("30,000", "B-total.total_price")]]
    assert boxes(found) == [(20, 40, 24, 50), (21, 40, 25, 50), (20, 40, 24, 50)]
    assert found.size == (100, 200)
    assert read(source, 1).lines == []


def test_page_and_boxes_are_cut_to_the_region_of_interest(cord: Path, tmp_path: Path) -> None:
    put_receipt(cord, receipt(*TWO, roi=quad(-5, 30, 60, 130)))
    source = opened("cord", cord)
    found = read(source)
    assert found.size == (60, 100)  # what of it is off the page is nothing
    assert boxes(found)[0] == (20, 10, 24, 20)
    image = cord / "train" / "image" / "receipt_00000.png"
    whole = Image.open(image)
    part = np.asarray(whole.crop((0, 30, 60, 130)).resize((16, 16), Image.Resampling.BILINEAR))
    assert source.render is not None
    np.testing.assert_array_equal(source.render(str(image), 16), part)
    put_image(image, 50, 100)  # half of what its annotation says: the same part of it
    assert source.render(str(image), 16).shape == (16, 16)
    store = prepare(opened("cord", cord), tmp_path / "store", 16, workers=2).store
    words = read_words(store)
    assert words is not None and words.page(0)[0].box == (333, 100, 400, 200)
    assert len(np.load(store.path / WORD_TAGS)) == 3


def test_a_region_without_an_area_is_counted_and_left(cord: Path) -> None:
    put_receipt(cord, receipt(*TWO, roi=quad(500, 500, 600, 600)))
    found = read(opened("cord", cord))
    assert found.size == (100, 200)
    assert notes(found) == {"regions of interest without an area on the page, not cut to": 1}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (
            receipt(line("menu.colour", "red")),
            ("receipt_00000.json line 0", "'menu.colour' is none of CORD's 30", "mend"),
        ),
        (receipt({"words": []}), ("line 0: field None",)),
        (receipt({"category": "menu.nm"}), ("line 0: `words` is missing",)),
        (receipt(line("menu.nm", words=[{"text": "x"}])), ("line 0 word 0: no box of 8 numbers", "mend")),
        (receipt(line("menu.nm", words=[{"text": "x", "quad": {"x1": 1}}])), ("no box of 8 numbers",)),
        (receipt(line("menu.nm", words=[{"quad": quad(1, 1, 2, 2)}])), ("`text` is missing",)),
        (receipt(roi={"x1": 4}), ("`roi`: no box of 8 numbers",)),
        (receipt(meta={}), ("`image_size`: no `width` and `height`",)),
        (receipt(valid_line=None), ("`valid_line` is missing",)),
        ([], ("an object of JSON is expected",)),
        ("{", ("receipt_00000.json: not JSON",)),
    ],
)
def test_files_that_are_refused(cord: Path, content: Any, parts: tuple[str, ...]) -> None:
    put_receipt(cord, content)
    message = refused("cord", cord)
    assert all(part in message for part in parts), message


def test_layouts_that_are_refused(cord: Path) -> None:
    assert "train/, dev/ and test/" in refused("cord", cord / "train")
    (cord / "train" / "image" / "receipt_00000.png").rename(cord / "train" / "image" / "receipt_00001.png")
    assert "receipt_00000.json: no image of that name" in refused("cord", cord)
