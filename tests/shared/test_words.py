from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from shared.store import Store, open_store, write_strings
from shared.words import WORD_FILES, Word, read_words, write_words


def store_of(root: Path, texts: list[str], with_words: bool) -> Store:
    """A store of texts, each of one class; the word files lie there already if they are to be part of it."""
    np.save(root / "labels.npy", np.zeros(len(texts), np.int32))
    np.save(root / "splits.npy", np.zeros(len(texts), np.int8))
    write_strings(root, "names", map(str, range(len(texts))))
    write_strings(root, "text", texts)
    sizes = {path.name: path.stat().st_size for path in root.iterdir() if with_words or path.name not in WORD_FILES}
    facts = {"schema": 2, "name": "folder", "image_size": None, "count": len(texts), "classes": ["a"]}
    (root / "manifest.json").write_text(json.dumps({**facts, "bytes": sizes, "sha256": dict.fromkeys(sizes, "")}))
    return open_store(root)


def page(*rows: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(rows, np.int64).reshape(-1, 7)
    return table[:, :2].astype(np.int32), table[:, 2:6].astype(np.uint16), table[:, 6].astype(np.uint8)


def test_words_of_each_page_with_their_places(tmp_path: Path) -> None:
    texts = ["Gr\u00fc\u00dfe an\nalle", "", "\u6587\u66f8 \u05e9\u05dc\u05d5\u05dd"]
    pages = [
        page((0, 7, 0, 1, 2, 3, 99), (8, 10, 4, 5, 6, 7, 50), (11, 15, 0, 9, 1000, 1000, 0)),
        page(),
        page((0, 6, 1, 2, 3, 4, 100), (7, 15, 5, 6, 7, 8, 7)),
    ]
    write_words(tmp_path, pages)
    words = read_words(store_of(tmp_path, texts, with_words=True))
    assert words is not None
    assert words.page(0) == [
        Word("Gr\u00fc\u00dfe", (0, 1, 2, 3), 99),
        Word("an", (4, 5, 6, 7), 50),
        Word("alle", (0, 9, 1000, 1000), 0),
    ]
    assert words.page(1) == []
    assert words.page(2) == [Word("\u6587\u66f8", (1, 2, 3, 4), 100), Word("\u05e9\u05dc\u05d5\u05dd", (5, 6, 7, 8), 7)]


def test_no_word_anywhere(tmp_path: Path) -> None:
    write_words(tmp_path, [page(), page()])
    words = read_words(store_of(tmp_path, ["", ""], with_words=True))
    assert words is not None
    assert words.page(1) == []
    assert words.boxes.shape == (0, 4)


def test_text_that_no_engine_has_read_has_no_words(tmp_path: Path) -> None:
    assert read_words(store_of(tmp_path, ["a", "b"], with_words=False)) is None
