"""Texts as ids of whole words of a vocabulary that is given: what a teacher that reads words was trained with."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.data.copies import link_or_copy, made_once, without_tokens
from bench.data.prepare import silent
from shared.errors import UserError
from shared.modalities import Words
from shared.outside import OutsideError, read_text
from shared.store import (
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    TEXT,
    TOKENS,
    VOCABULARY,
    Store,
    file_sha256,
    string_files,
)
from shared.word_tokens import SPECIAL_WORDS
from shared.wordpiece import write_vocabulary

ASKED_VERSION = 1  # part of the fingerprint: raise it when the same text would give other ids


def word_list(path: str) -> list[str]:
    """The words of a `vocab.txt` of whole words, in the order of their ids.

    Raises:
        UserError: it cannot be read, does not begin as such a file does, or names a word twice.
    """
    try:
        words = read_text(Path(path)).removesuffix("\n").split("\n")
    except OutsideError as error:
        raise UserError(f"--teacher-vocab {error}") from None
    if tuple(words[: len(SPECIAL_WORDS)]) != SPECIAL_WORDS or len(set(words)) < len(words):
        raise UserError(
            f"--teacher-vocab {path}: no vocabulary of whole words ({' and '.join(SPECIAL_WORDS)}, then a word a line, "
            "none twice); give the vocab.txt of the store that the teacher was trained on"
        )
    return words


def asked_words(store: Store, read: Words, vocabulary: str, out: Path) -> Store:
    """A copy of a store of texts with ids of the words of a vocabulary and without word vectors: a trained network has
    its own. Reused where it is there.

    Args:
        read: how wide rows are, and whether they are cut into sentences. vocabulary: its file.

    Raises:
        UserError: no such vocabulary; `out` is something else or cannot be written.
    """
    words = word_list(vocabulary)
    digest = hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]
    parts = ["asked words", ASKED_VERSION, store.digest, digest, read.width, read.sentences]
    fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    return made_once(
        out, fingerprint, "store or vocabulary", lambda folder: write(store, words, digest, read, fingerprint, folder)
    )


def write(store: Store, words: list[str], digest: str, read: Words, fingerprint: str, folder: Path) -> None:
    """Write the files of such a copy into an empty folder."""
    from bench.data.word_tokens import write_words

    assert store.text is not None, "a transfer set"
    shares = write_words(store.text, words, read, folder, silent)
    write_vocabulary(folder / VOCABULARY, words)
    np.save(folder / LABELS, store.labels, allow_pickle=False)
    np.save(folder / SPLIT_CODES, store.split_codes, allow_pickle=False)
    made, linked = [LABELS, SPLIT_CODES, TOKENS, LENGTHS, VOCABULARY], [*string_files(NAMES), *string_files(TEXT)]
    for name in linked:
        link_or_copy(store.path / name, folder / name)
    known = {key: value for key, value in store.manifest.items() if key != "teacher"}
    manifest = known | {
        "source": {
            **without_tokens(store.manifest.get("source", {})),
            "vocabulary": "the teacher's words",
            "vocabulary_digest": digest,
            "vocabulary_size": len(words),
            "max_tokens": (read.sentences or 1) * read.width,
            "sentences": read.sentences,
            "tokenised_from": store.digest,
        },
        "tokens": shares,
        "sha256": {name: file_sha256(folder / name) for name in (*made, *linked)},
        "bytes": {name: (folder / name).stat().st_size for name in (*made, *linked)},
        "fingerprint": fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
