"""Small stores whose rows are parts of documents, for tests: windows, questions, pages to hide parts of.

They fit `tiny_layout.workload`: its width, its vocabulary's size, its pages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shared.store import (
    DOCUMENTS,
    GROUPS,
    IMAGES,
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    NO_LABEL,
    QUESTIONS,
    SPLIT_CODES,
    STORE_SCHEMA,
    TEXT,
    TOKEN_BOXES,
    TOKEN_LINES,
    TOKEN_WORDS,
    TOKENS,
    VOCABULARY,
    Store,
    file_sha256,
    open_store,
    write_strings,
)
from shared.wordpiece import SPECIAL_TOKENS, write_vocabulary
from shared.words import write_words
from tests.tiny_layout import PIXELS, TOKENS_WIDE
from tests.tiny_text import VOCABULARY as NUM_TOKENS

PAD, UNK, CLS, SEP, MASK = range(5)
FIRST_WORD = len(SPECIAL_TOKENS)  # the first token of the vocabulary that is a word
PALEST = 200


def framed(num_words: Sequence[int], begin: int = 1) -> np.ndarray:
    """TOKEN_WORDS of rows that hold so many words of one token each, from the token `begin` on."""
    words = np.full((len(num_words), TOKENS_WIDE), -1, np.int32)
    for row, number in enumerate(num_words):
        words[row, begin : begin + number] = np.arange(number)
    return words


def grid(words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TOKEN_LINES and TOKEN_BOXES of pages with four words a line, none of which touch on a page of 64 pixels."""
    place = np.where(words >= 0, words, 0).astype(np.int64)
    line, column = place // 4, place % 4
    left, top = 250 * column + 30, 120 * line + 40
    boxes = np.stack([left, top, left + 190, top + 60], -1)
    of_word = words >= 0
    return np.where(of_word, line, 0).astype(np.int32), np.where(of_word[..., None], boxes, 0).astype(np.uint16)


def make_store(
    path: Path,
    arrays: Mapping[str, np.ndarray],
    texts: Sequence[str] = (),
    questions: Sequence[Sequence[Mapping[str, Any]]] = (),
    tags: Sequence[str] = (),
    splits: Sequence[int] | None = None,
    pages: bool = False,
) -> Store:
    """A store of rows.

    Args:
        arrays: DOCUMENTS, TOKEN_WORDS and any others by name; what lacks is made up.
        texts: of the documents, one line each, whose words have no places.
        questions: of each document, `text` and `answers`.
        tags: their names.
        splits: of the rows.
        pages: an even grey for each document, all different, none of them black or white.
    """
    path.mkdir()
    documents, words = arrays[DOCUMENTS], arrays[TOKEN_WORDS]
    count, rng = len(documents), np.random.default_rng(0)
    ends = np.array([int(np.flatnonzero(row >= 0).max(initial=0)) + 2 for row in words])
    tokens = rng.integers(FIRST_WORD, NUM_TOKENS, words.shape)
    tokens[words < 0] = SEP
    tokens[:, 0] = CLS
    tokens[np.arange(words.shape[1]) >= ends[:, None]] = PAD
    lines, boxes = grid(words)
    made: dict[str, np.ndarray] = {
        LABELS: np.zeros(count, np.int32),
        SPLIT_CODES: np.array([0] * count if splits is None else splits, np.int8),
        TOKENS: tokens.astype(np.int32),
        LENGTHS: ends.astype(np.int32),
        GROUPS: documents,
        TOKEN_LINES: lines,
        TOKEN_BOXES: boxes,
        **arrays,
    }
    for name, array in made.items():
        np.save(path / name, array)
    write_vocabulary(path / VOCABULARY, [*SPECIAL_TOKENS, *(f"w{i}" for i in range(FIRST_WORD, NUM_TOKENS))])
    write_strings(path, NAMES, [f"row {row}" for row in range(count)])
    num_documents = int(documents.max()) + 1
    if texts:
        write_strings(path, TEXT, texts)
        write_words(path, map(spans_of, texts))
    if questions:
        write_strings(path, QUESTIONS, map(json.dumps, questions))
    if pages:
        greys = np.linspace(10, PALEST, num_documents).astype(np.uint8)
        np.broadcast_to(greys[:, None, None], (num_documents, PIXELS, PIXELS)).tofile(path / IMAGES)
    files = sorted(path.iterdir())
    manifest: dict[str, Any] = {
        "schema": STORE_SCHEMA,
        "name": "rows",
        "source": {"vocabulary_size": NUM_TOKENS},
        "image_size": PIXELS if pages else None,
        "count": count,
        "documents": num_documents,
        "classes": ["all"],
        "sha256": {file.name: file_sha256(file) for file in files},
        "bytes": {file.name: file.stat().st_size for file in files},
    }
    (path / MANIFEST).write_text(json.dumps(manifest | ({"tags": list(tags)} if tags else {})))
    return open_store(path, checksums=True)


def spans_of(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the words of a text of ASCII characters stand in it, without places on a page."""
    spans, begin = [], 0
    for word in text.split():
        begin = text.index(word, begin)
        spans.append((begin, begin + len(word)))
        begin += len(word)
    count = len(spans)
    return np.array(spans, np.int32).reshape(-1, 2), np.zeros((count, 4), np.uint16), np.full(count, 100, np.uint8)


def tags_of(words: np.ndarray, rows: Sequence[Mapping[int, int]]) -> np.ndarray:
    """TOKEN_TAGS of rows, in each of which some words, by number, have a tag; the other tokens are not scored."""
    tags = np.full(words.shape, NO_LABEL, np.int16)
    for row, of_words in enumerate(rows):
        for word, tag in of_words.items():
            tags[row, words[row] == word] = tag
    return tags


def sure(tags: np.ndarray, num_tags: int) -> np.ndarray:
    """Logits of a network that is sure of some tags (n x T x K)."""
    return (10.0 * np.eye(num_tags)[np.where(tags < 0, 0, tags)]).astype(np.float32)
