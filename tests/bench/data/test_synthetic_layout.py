"""Synthetic pages with their words in place, and the boxes that tokens get of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data import synthetic, synthetic_layout, synthetic_text
from bench.data.prepare import prepare
from bench.data.synthetic_store import NO_IMAGE, source_of
from bench.data.tokens import tokenised
from shared.errors import UserError
from shared.outside import read_json
from shared.store import MANIFEST, TOKEN_BOXES, Store, file_sha256, open_store
from shared.words import BOX_SCALE, Word, read_words
from tests import tiny_layout

PAGES = 32


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return prepare(synthetic_layout.source(PAGES), tmp_path_factory.mktemp("pages") / "store", 128, 1).store


@pytest.fixture(scope="module")
def tokens(pages: Store) -> Store:
    return tokenised(pages, None, 512, 48, "head", pages.path.with_name("tokens"), with_pages=True, with_boxes=True)


def test_words_lie_where_the_page_is_dark(pages: Store) -> None:
    """Every word's box holds ink or light letters: its grey is not that of the paper around it."""
    words = read_words(pages)
    assert words is not None
    seen = 0
    for row in range(len(synthetic.CLASSES)):
        full = synthetic.render(row, synthetic.OCR_SIZE, 0, len(synthetic.CLASSES)).astype(int)
        for word in words.page(row)[:20]:
            left, top, right, bottom = word.box
            inside = full[top:bottom, left:right]
            assert np.ptp(inside) > 3 * synthetic.NOISE, (row, word)
            seen += 1
    assert seen > 100


def test_boxes_are_in_order_and_on_the_page(pages: Store) -> None:
    words = read_words(pages)
    assert words is not None
    assert int(words.boxes.max()) <= BOX_SCALE
    assert (words.boxes[:, 2:] >= words.boxes[:, :2]).all()
    assert (words.boxes[:, 2:] > words.boxes[:, :2]).all(1).mean() > 0.99
    assert pages.manifest["ocr"]["engine"] == synthetic_layout.ENGINE
    assert pages.manifest["ocr"]["words"] == len(words.boxes)


def test_pages_are_what_their_words_stand_on(pages: Store) -> None:
    assert pages.pixels is not None
    assert np.array_equal(pages.pixels[5], synthetic_layout.render(5, 128, 0, len(synthetic.CLASSES)))


def test_the_same_pages_at_any_size_and_in_any_process(tmp_path: Path) -> None:
    one, two = (synthetic_layout.source(PAGES, seed) for seed in (0, 1))
    assert one.fingerprint(64) == synthetic_layout.source(PAGES, 0).fingerprint(64)
    assert one.fingerprint(64) != two.fingerprint(64)
    assert one.fingerprint(64) != synthetic.source(PAGES, 0).fingerprint(64)


def test_tokens_have_the_boxes_of_their_words(pages: Store, tokens: Store) -> None:
    words, boxes, ids = read_words(pages), tokens.token_boxes, tokens.tokens
    assert words is not None
    assert boxes is not None
    assert ids is not None
    assert tokens.lengths is not None
    vocabulary = (tokens.path / "vocab.txt").read_text(encoding="utf-8").split("\n")
    for row in range(PAGES):
        page, length, at = words.page(row), int(tokens.lengths[row]), -1
        assert not boxes[row, 0].any()
        assert not boxes[row, length - 1 :].any()
        for place in range(1, length - 1):
            piece = vocabulary[ids[row, place]]
            # a new word, or, of "12,345", a part of one that is split at its comma: then the box stays
            if not piece.startswith("##") and (
                at < 0 or not continues(page[at].text, piece, boxes[row, place], page, at)
            ):
                at += 1
            assert tuple(boxes[row, place]) == page[at].box, (row, place, piece)


def continues(word: str, piece: str, box: np.ndarray, page: list[Word], at: int) -> bool:
    """Whether a piece is a later part of the word before it."""
    return tuple(box) == page[at].box and piece in word.lower() and not word.lower().startswith(piece)


def test_boxes_do_not_change_the_tokens(pages: Store, tokens: Store) -> None:
    plain = tokenised(pages, None, 512, 48, "head", pages.path.with_name("plain"))
    assert np.array_equal(plain.tokens, tokens.tokens)
    assert np.array_equal(plain.lengths, tokens.lengths)
    assert plain.manifest["tokens"] == tokens.manifest["tokens"]
    assert plain.token_boxes is None


def test_a_text_without_places_is_refused_in_one_line(tmp_path: Path) -> None:
    texts = prepare(synthetic_text.source(PAGES), tmp_path / "texts", 0, 1).store
    with pytest.raises(UserError, match="its text has no places on the page; prepare it again with `--ocr tesseract`"):
        tokenised(texts, None, 512, 48, "head", tmp_path / "out", with_boxes=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"), [("beyond", "holds 0 to 2000, 0 to 1000 expected"), ("swapped", "before the other")]
)
def test_a_store_with_impossible_boxes_is_refused(tokens: Store, tmp_path: Path, change: str, message: str) -> None:
    spoilt = tmp_path / "spoilt"
    shutil.copytree(tokens.path, spoilt)
    boxes = np.load(spoilt / TOKEN_BOXES)
    boxes[0, 1] = (0, 0, 2000, 10) if change == "beyond" else (50, 50, 40, 60)
    np.save(spoilt / TOKEN_BOXES, boxes)
    manifest = dict(read_json(spoilt / MANIFEST))
    manifest["sha256"][TOKEN_BOXES] = file_sha256(spoilt / TOKEN_BOXES)
    (spoilt / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        open_store(spoilt, checksums=None)


def test_a_workload_that_reads_places_gets_pages_with_words() -> None:
    workload = tiny_layout.workload()
    source, size = source_of(workload, PAGES, 0, 4)
    assert (size, source.text) == (64, synthetic_layout.DrawnText(0, 4))
    _, size = source_of(tiny_layout.workload(model__visual=False), PAGES, 0, 4)
    assert size == NO_IMAGE
