"""Text to ids of whole words (`shared.word_tokens`): a copy of a store with them in place of pages."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.copies import link_or_copy, made_once, without_tokens
from bench.data.finish import missing_classes
from bench.data.prepare import silent
from bench.data.source import Progress
from bench.data.vectors import VectorFile
from shared.draws import Purpose, uniform
from shared.draws import words as drawn_words
from shared.errors import UserError
from shared.modalities import Words
from shared.store import (
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    TEACHER,
    TEXT,
    TOKENS,
    VOCABULARY,
    Store,
    Strings,
    file_sha256,
    string_files,
)
from shared.store_check import VECTORS
from shared.word_tokens import PAD_ID, SPECIAL_WORDS, UNKNOWN_ID, ids_of, rows_of
from shared.word_weights import VECTOR_BOUND
from shared.wordpiece import write_vocabulary

WORD_TOKENS_VERSION = 1  # part of the fingerprint: raise it when the same text would give other ids
TOLD_EVERY = 1000  # texts
# what a manifest says of other things than text, which the derived store has not
LEFT_OUT = ("resize_filter",)


@dataclass(frozen=True)
class WordTokenisation:
    """What decides the words of a store."""

    read: Words
    vectors: VectorFile | None  # None: the store has no word vectors, and any word may be of the vocabulary

    def fingerprint(self, store: Store) -> str:
        """Hash of everything that decides the derived store's content, without reading a text."""
        splits = hashlib.sha256(store.split_codes.tobytes()).hexdigest()  # may be others than the store's own
        read, digest = self.read, None if self.vectors is None else self.vectors.digest
        parts = ["words", WORD_TOKENS_VERSION, store.name, store.digest, splits]
        parts += [read.width, read.sentences, read.vocabulary_size, digest]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def word_tokenised(
    store: Store, read: Words, vectors: VectorFile | None, out: str | Path, progress: Progress = silent
) -> Store:
    """A copy of a store with ids of whole words in place of pages: the same order, labels, splits and names. Reused
    where it is.

    The vocabulary is that of the training split alone. The manifest's `source` says its size and digest, `max_tokens`
    (T), `sentences`, `tokenised_from` and whose vectors there are; `tokens` which share of the documents was truncated
    and which share of their kept words is not known.

    Args:
        store: with text.
        read: how wide rows are, whether they are cut into sentences, and how many words are known at most.
        vectors: of words: only words with a vector are known, and the store has those vectors.
        out: the new store's directory.
        progress: told how many documents are read, and how many bytes of the vectors.

    Raises:
        UserError: no text; rows that are parts of documents; no words in the training split, or none with a vector;
            `out` is something else, or cannot be written; what the vectors' reader raises.
    """
    if store.text is None:
        raise UserError(f"{store.path}: holds no text; prepare it again with `bench data prepare ... --ocr tesseract`")
    if store.documents is not None:
        raise UserError(f"{store.path}: its rows are parts of documents; give the store that it was made from")
    how, text = WordTokenisation(read, vectors), store.text
    fingerprint = how.fingerprint(store)
    return made_once(
        Path(out),
        fingerprint,
        "store, vocabulary, length or word vectors",
        lambda folder: write(store, text, how, fingerprint, folder, progress),
    )


def count_words(text: Strings, rows: np.ndarray, sentences: int, progress: Progress = silent) -> Counter[str]:
    """How often each word is in some of a store's texts."""
    counts: Counter[str] = Counter()
    for done, row in enumerate(rows.tolist(), 1):
        counts.update(chain.from_iterable(rows_of(text[row], sentences)))
        if done % TOLD_EVERY == 0 or done == len(rows):
            progress("vocabulary", done, len(rows))
    return counts


def most_frequent(counts: Mapping[str, int], size: int) -> list[str]:
    """A vocabulary: padding, the unknown word, and the most frequent words, ties in the order of the alphabet.

    Args:
        size: of all at most.

    >>> most_frequent({"b": 2, "a": 2, "c": 3, "d": 1}, 5)
    ['[PAD]', '[UNK]', 'c', 'a', 'b']
    """
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    return [*SPECIAL_WORDS, *ranked[: size - len(SPECIAL_WORDS)]]


def vectors_of(vocabulary: Sequence[str], found: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """The vectors of a vocabulary (float32, V x D).

    The padding's is 0. That of all words that are not known is drawn from within VECTOR_BOUND, the same for every
    store, as in the code that Adhikari et al. (DocBERT, 2019) released.
    """
    vectors = np.zeros((len(vocabulary), size), np.float32)
    draws = uniform(drawn_words(0, Purpose.WEIGHTS, 0, UNKNOWN_ID, size))
    vectors[UNKNOWN_ID] = (2.0 * draws - 1.0) * VECTOR_BOUND
    for row, word in enumerate(vocabulary[len(SPECIAL_WORDS) :], len(SPECIAL_WORDS)):
        vectors[row] = found[word]
    return vectors


def write(
    store: Store, text: Strings, how: WordTokenisation, fingerprint: str, folder: Path, progress: Progress
) -> None:
    """Write the derived store's files into an empty folder."""
    read, known = how.read, dict[str, str](store.manifest["sha256"])
    counts = count_words(text, store.indices(SPLITS[0]), read.sentences, progress)
    if not counts:
        raise UserError(f"{store.path}: no vocabulary: the training documents have no words; give texts with some")
    made, source = [LABELS, SPLIT_CODES, TOKENS, LENGTHS, VOCABULARY], dict[str, Any]()
    if how.vectors is None:
        vocabulary = most_frequent(counts, read.vocabulary_size)
    else:
        found = how.vectors.read(counts, progress)
        if not found:
            raise UserError(
                f"{how.vectors.path}: has a vector of not one of {len(counts):,} words of the training documents (in "
                "small letters); give vectors of their language"
            )
        vocabulary = most_frequent({word: counts[word] for word in found}, read.vocabulary_size)
        vectors = vectors_of(vocabulary, found, how.vectors.size)
        np.save(folder / VECTORS, vectors, allow_pickle=False)
        made.append(VECTORS)
        source = {"vectors": how.vectors.path.name, "vectors_digest": how.vectors.digest}
        source |= {"vector_size": how.vectors.size, "words_with_vectors": len(found) / len(counts)}
    shares = write_words(text, vocabulary, read, folder, progress)
    write_vocabulary(folder / VOCABULARY, vocabulary)
    np.save(folder / LABELS, store.labels, allow_pickle=False)
    np.save(folder / SPLIT_CODES, store.split_codes, allow_pickle=False)
    linked = [*string_files(NAMES), *string_files(TEXT), *(name for name in (TEACHER,) if name in known)]
    for name in linked:
        link_or_copy(store.path / name, folder / name)
    documents, notes = store.counts(), store.manifest.get("notes", [])
    manifest = {key: value for key, value in store.manifest.items() if key not in LEFT_OUT} | {
        "schema": STORE_SCHEMA,
        "source": {
            **without_tokens(store.manifest.get("source", {})),
            "vocabulary": "own words",
            "vocabulary_digest": hashlib.sha256("\n".join(vocabulary).encode()).hexdigest()[:16],
            "vocabulary_size": len(vocabulary),
            "max_tokens": (read.sentences or 1) * read.width,
            "sentences": read.sentences,
            "tokenised_from": store.digest,
            **source,
        },
        "image_size": None,
        "counts": documents,
        "notes": list(dict.fromkeys([*notes, *missing_classes(documents, store.split_codes)])),
        "tokens": shares,
        "sha256": {name: file_sha256(folder / name) for name in made} | {name: known[name] for name in linked},
        "bytes": {name: (folder / name).stat().st_size for name in (*made, *linked)},
        "fingerprint": fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_words(
    text: Strings, vocabulary: Sequence[str], read: Words, folder: Path, progress: Progress
) -> dict[str, float]:
    """Write all documents' ids into TOKENS, and the places of their last words, plus one, into LENGTHS.

    Returns:
        `truncated`: share of the documents; `unknown`: share of their kept words.
    """
    count, width = len(text), (read.sentences or 1) * read.width
    ids = {word: number for number, word in enumerate(vocabulary)}
    tokens = np.lib.format.open_memmap(folder / TOKENS, "w+", np.dtype(np.int32), (count, width))
    lengths = np.zeros(count, np.int32)
    truncated = unknown = kept = 0
    for row in range(count):
        content = text[row]
        found = ids_of(content, ids, read.width, read.sentences)
        places = np.flatnonzero(found != PAD_ID)
        words = sum(map(len, rows_of(content, read.sentences)))
        tokens[row], lengths[row] = found, places[-1] + 1
        if words:
            truncated += words > len(places)
            unknown += int((found == UNKNOWN_ID).sum())
            kept += len(places)
        if (row + 1) % TOLD_EVERY == 0 or row + 1 == count:
            progress("words", row + 1, count)
    tokens.flush()
    np.save(folder / LENGTHS, lengths, allow_pickle=False)
    return {"truncated": truncated / max(count, 1), "unknown": unknown / max(kept, 1)}
