"""The real engines, on a few small pages; what is said where they are not there."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont

from bench.cli.data import ENGINES, SOURCES
from bench.data import load, ocr, ocr_rapidocr, ocr_tesseract, synthetic
from bench.data.derive import resized, synthetic_store
from bench.data.load import Request, open_source
from bench.data.ocr import find_engine
from bench.data.prepare import prepare
from bench.data.vocabulary import OWN
from bench.studies import ocr_speed
from shared.errors import UserError
from shared.words import read_words

tesseract = pytest.mark.skipif(not ocr_tesseract.installed(), reason="Tesseract is not installed")
rapidocr = pytest.mark.skipif(not ocr_rapidocr.installed(), reason="RapidOCR is not installed")
each_engine = pytest.mark.parametrize(
    "engine", [pytest.param("tesseract", marks=tesseract), pytest.param("rapidocr", marks=rapidocr)]
)
LINES = ("invoice number 1234", "please remit payment")


@pytest.fixture
def page() -> Image.Image:
    """Two lines of print on white."""
    image = Image.new("L", (600, 300), 255)
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(LINES):
        draw.text((60, 60 + 100 * i), line, fill=0, font=ImageFont.load_default(40))
    return image


@each_engine
def test_an_engine_reads_words_and_their_places(
    engine: str, page: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*arguments: Any) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    read = find_engine(engine).start()
    lines = read(page)
    assert tuple(" ".join(word.text for word in line) for line in lines) == LINES
    assert read(Image.new("L", (200, 200), 255)) == []
    for line, top in zip(lines, (60, 160), strict=True):
        for word in line:
            left, upper, right, lower = word.box
            assert 50 <= word.confidence <= 100
            assert 90 <= left < right <= 800
            assert top - 15 <= upper * 0.3 < lower * 0.3 <= top + 60
        assert all(a.box[2] <= b.box[0] + 10 for a, b in pairwise(line))


@tesseract
def test_a_store_of_synthetic_pages_with_their_words(tmp_path: Path) -> None:
    store = synthetic_store(tmp_path / "out", pages=2, size=32, classes=2, workers=2, ocr="tesseract")
    assert store.text is not None
    found = set(store.text[0].lower().replace(",", " ").split())
    own = set(OWN[synthetic.CLASSES[0]].split())
    assert len(found & own) >= 5
    words = read_words(store)
    assert words is not None
    assert " ".join(word.text for word in words.page(0)).split() == store.text[0].split()
    facts = store.manifest["ocr"]
    assert (facts["engine"], facts["failed"]) == ("tesseract", [])
    assert facts["version"][0].isdigit()
    assert facts["words"] == len(words.boxes)
    small = resized(store, 16, tmp_path / "small", workers=1)
    assert small.text is not None
    assert [small.text[i] for i in range(2)] == [store.text[i] for i in range(2)]
    assert [small.names[i] for i in range(2)] == ["page 0", "page 1"]
    assert small.manifest["ocr"] == facts
    copied = read_words(small)
    assert copied is not None
    np.testing.assert_array_equal(copied.boxes, words.boxes)


@each_engine
def test_a_folder_of_good_and_damaged_pages(
    engine: str, tmp_path: Path, page: Image.Image, make_page: Callable[..., Path], huge_png: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir(parents=True)
        page.save(tmp_path / "set" / name / "good.tif")
    shutil.copy(huge_png, tmp_path / "set" / "a" / "huge.png")
    (tmp_path / "set" / "b" / "empty.png").write_bytes(b"")
    store = prepare(open_source(Request("folder", tmp_path / "set", ocr=engine)), tmp_path / "out", 16).store
    assert store.text is not None
    assert [store.text[i] for i in range(2)] == ["\n".join(LINES)] * 2
    assert len(store.manifest["rejected"]) == 2
    assert store.manifest["ocr"]["failed"] == []


@tesseract
def test_the_measurement_of_speed(tmp_path: Path, page: Image.Image) -> None:
    for i in range(2):
        page.save(tmp_path / f"{i}.png")
    result = CliRunner().invoke(ocr_speed.main, [str(tmp_path), "--engine", "tesseract", "--rounds", "1"])
    assert result.exit_code == 0, result.output
    first, line = result.output.splitlines()
    speed = json.loads(first)
    assert speed["pages"] == 2
    assert speed["ratio"] == pytest.approx(speed["stage"] / speed["alone"] / speed["cores"])
    assert line.startswith("tesseract ")


def test_tesseract_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    pytest.importorskip("pytesseract")
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(UserError, match=r"apt-get install tesseract-ocr`\), or choose --ocr rapidocr") as caught:
        open_source(Request("folder", tree, ocr="tesseract"))
    assert "\n" not in str(caught.value)


@tesseract
@pytest.mark.parametrize(
    ("language", "package"),
    [("xyz", "tesseract-ocr-xyz"), ("eng+chi_zzz", "tesseract-ocr-chi-zzz"), ("../eng", "tesseract-ocr----eng")],
)
def test_a_language_pack_that_is_not_there(language: str, package: str) -> None:
    with pytest.raises(UserError, match=rf"installed: .*eng.*apt-get install {package}`"):
        find_engine("tesseract", language)


def test_rapidocr_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"not installed: `pip install 'twinbench\[ocr\]'`"):
        find_engine("rapidocr")


@rapidocr
def test_rapidocr_without_its_models_or_with_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="RapidOCR has one model for all its languages"):
        find_engine("rapidocr", "fra")
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(UserError, match=r"det, cls, rec is missing in .*models.*nothing is downloaded"):
        find_engine("rapidocr")


@pytest.mark.parametrize(
    ("has_tesseract", "has_rapidocr", "chosen"),
    [(True, True, "tesseract"), (True, False, "tesseract"), (False, True, "rapidocr"), (False, False, None)],
)
def test_auto(has_tesseract: bool, has_rapidocr: bool, chosen: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, there in ((ocr_tesseract, has_tesseract), (ocr_rapidocr, has_rapidocr)):
        monkeypatch.setattr(module, "installed", lambda there=there: there)
        monkeypatch.setattr(module, "find", lambda language, module=module: module.__name__)
    if chosen is None:
        with pytest.raises(UserError, match="no engine is installed"):
            find_engine("auto")
    else:
        assert str(find_engine("auto")).endswith(chosen)


def test_pieces_that_are_not_words() -> None:
    corners = [[0, 0], [100, 0], [100, 10], [0, 10]]
    pieces = [("文", 0.5, [[0, 0], [20, 0], [20, 10], [0, 10]]), ("書", 0.9, [[20, 0], [40, 0], [40, 10], [20, 10]])]
    last = ("ab", 1.0, [[60, 0], [100, 0], [100, 10], [60, 10]])
    line = ocr_rapidocr.line_of("文書 ab", 0.8, corners, [*pieces, last], 200, 100)
    assert [(word.text, word.box, word.confidence) for word in line] == [
        ("文書", (0, 0, 200, 100), 70),
        ("ab", (300, 0, 500, 100), 100),
    ]
    by_width = ocr_rapidocr.line_of("文書 ab", 0.8, corners, pieces, 200, 100)
    assert [(word.text, word.box, word.confidence) for word in by_width] == [
        ("文書", (0, 0, 200, 100), 80),
        ("ab", (300, 0, 500, 100), 80),
    ]


def test_the_command_line_knows_all_sources_and_engines() -> None:
    assert tuple(SOURCES) == load.KINDS
    assert set(ENGINES) == {*ocr.ENGINES, load.NO_OCR, load.TEXT_FILES}
