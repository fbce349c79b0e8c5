from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.load import Request, open_source
from bench.data.page_text import MAX_CHARACTERS
from bench.data.prepare import prepare
from shared.errors import UserError
from shared.store import Store
from shared.words import read_words

MakePage = Callable[..., Path]


def store_of(tree: Path, out: Path, **options: Any) -> Store:
    return prepare(open_source(Request("folder", tree, ocr="txt", **options)), out, 16, workers=1).store


@pytest.fixture
def texts(tree: Path) -> Path:
    """The tree with a text beside each page."""
    for page in list(tree.rglob("*.png")):
        page.with_suffix(".txt").write_text(f"text of {page.parent.name} {page.stem}")
    return tree


def test_a_text_beside_each_page(texts: Path, tmp_path: Path) -> None:
    store = store_of(texts, tmp_path / "out")
    assert store.text is not None
    assert [store.text[i] for i in (0, 29)] == ["text of bill 0", "text of memo 9"]
    assert (len(store.text), store.names[29]) == (30, "memo/9.png")
    assert store.manifest["rejected"] == []
    assert store.manifest["ocr"]["engine"] == "txt"
    assert read_words(store) is None


def test_a_mirrored_tree(texts: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    for path in list(texts.rglob("*.txt")):
        target = mirror / path.relative_to(texts)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    store = store_of(texts, tmp_path / "out", text_root=mirror)
    assert store.text is not None
    assert store.text[29] == "text of memo 9"
    with pytest.raises(UserError, match="--text-root absent: no such folder"):
        store_of(texts, tmp_path / "out", text_root=Path("absent"))
    with pytest.raises(UserError, match=r"no page has a text; expected for the first one: .*bill/0\.txt"):
        store_of(texts, tmp_path / "out")


def test_bad_texts_are_listed(texts: Path, tmp_path: Path) -> None:
    mixed = "שלום\r\n文書 é "
    (texts / "bill" / "0.txt").unlink()
    (texts / "bill" / "1.txt").write_bytes(b"caf\xe9 au lait")
    (texts / "bill" / "2.txt").write_bytes(b"")
    (texts / "bill" / "3.txt").write_text("x" * (MAX_CHARACTERS + 1))
    (texts / "bill" / "4.txt").write_bytes(mixed.encode())
    (texts / "memo" / "orphan.txt").write_text("no page of mine")
    store = store_of(texts, tmp_path / "out")
    assert store.text is not None
    assert [store.text[i] for i in (0, 1, 2, 4)] == ["", "caf\ufffd au lait", "", mixed]
    assert len(store.text[3]) == MAX_CHARACTERS
    facts = store.manifest["ocr"]
    assert facts["failed"] == [{"file": "bill/0.png", "reason": "0.txt: no such file"}]
    assert facts["invalid_utf8"] == ["bill/1.png"]
    assert facts["cut"] == [{"file": "bill/3.png", "characters": MAX_CHARACTERS + 1}]
    assert facts["empty"] == 2
    assert store.manifest["rejected"] == [{"file": "memo/orphan.txt", "reason": "not an image that Pillow can read"}]


def test_rejected_pages_leave_no_gap_in_the_text(texts: Path, tmp_path: Path) -> None:
    (texts / "bill" / "0.png").write_bytes(b"")
    store = store_of(texts, tmp_path / "out")
    assert store.text is not None
    assert (len(store.text), store.text[0]) == (29, "text of bill 1")


def test_changed_texts_are_another_store(texts: Path, tmp_path: Path) -> None:
    store_of(texts, tmp_path / "out")
    (texts / "bill" / "0.txt").write_text("changed")
    with pytest.raises(UserError, match="made from other arguments or inputs"):
        store_of(texts, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ocr": "txt", "ocr_language": "eng"}, "--ocr txt takes no --ocr-lang"),
        ({"ocr": "txt", "ocr_seconds": 3.0}, "--ocr txt takes no --ocr-timeout"),
        ({"ocr_language": "eng"}, "--ocr none takes no --ocr-lang"),
        ({"ocr": "tesseract", "text_root": Path()}, "--ocr tesseract takes no --text-root"),
    ],
)
def test_options_of_no_use(tree: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_source(Request("folder", tree, **options))
