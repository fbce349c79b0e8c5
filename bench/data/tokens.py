"""Text to BERT token ids: `encode` for a list of texts, `tokenised` for a store."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from bench.data.copies import link_or_copy, made_once, without_tokens
from bench.data.encoder import Encoder
from bench.data.finish import missing_classes
from bench.data.parts import Parts as Cut
from bench.data.prepare import silent
from bench.data.source import Progress
from bench.data.vocabulary_files import Vocabulary, train_vocabulary
from shared.errors import UserError
from shared.modalities import Parts
from shared.store import (
    IMAGES,
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    QUESTIONS,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    TEACHER,
    TEXT,
    TOKEN_BOXES,
    TOKENS,
    VOCABULARY,
    Store,
    Strings,
    count_documents,
    file_sha256,
    string_files,
    write_strings,
)
from shared.wordpiece import UNK, kept_ends, write_vocabulary
from shared.words import OFFSETS, WORD_FILES, read_words

TOKENISATION_VERSION = 1  # part of the fingerprint: raise it when the same text would give other ids
PAGES_AT_ONCE = 256  # of words
OF_DOCUMENTS_ONLY = ("teacher",)  # as next, of rows that are parts of documents
OF_PAGES_ONLY = ("resize_filter",)  # what a manifest says of pages, which the derived store has not


def encode(
    texts: Sequence[str], vocabulary: Vocabulary, max_tokens: int, truncation: str
) -> tuple[np.ndarray, np.ndarray]:
    """BERT token ids of texts: those of `transformers`' BertTokenizerFast, [CLS] ... [SEP], then [PAD].

    Args:
        texts: N of them; an empty one gives [CLS] [SEP].
        max_tokens: T, [CLS] and [SEP] included. truncation: see `shared.wordpiece.kept_ends`.

    Returns:
        ids (int32, N x T) and lengths (int32, N).

    Raises:
        UserError: what `kept_ends` raises.
    """
    parts = list(Encoder(vocabulary, max_tokens, truncation).stream(texts))
    ids = np.concatenate([np.zeros((0, max_tokens), np.int32), *(part.ids for part in parts)])
    return ids, np.concatenate([np.zeros(0, np.int32), *(part.lengths for part in parts)])


@dataclass(frozen=True)
class Rows:
    """Some of a store's texts; each pass over them reads them again."""

    text: Strings
    indices: np.ndarray

    def __iter__(self) -> Iterator[str]:
        return (self.text[row] for row in self.indices)


@dataclass(frozen=True)
class Tokenisation:
    """What decides the tokens of a store."""

    vocabulary: Vocabulary | None  # None: one is trained on the text of the training split alone
    vocabulary_size: int  # of a trained one
    max_tokens: int
    truncation: str
    with_pages: bool = False  # keep the pages and the places of their words beside the tokens
    with_boxes: bool = False  # note the box of each token's word
    parts: Parts = "documents"  # what a row is
    stride: int = 0  # tokens that windows share

    def fingerprint(self, store: Store) -> str:
        """Hash of everything that decides the derived store's content, without reading a text."""
        origin = ["trained", self.vocabulary_size] if self.vocabulary is None else self.vocabulary.digest
        splits = hashlib.sha256(store.split_codes.tobytes()).hexdigest()  # may be others than the store's own
        parts = [TOKENISATION_VERSION, store.name, store.digest, splits, origin, self.max_tokens, self.truncation]
        parts += ["with pages"] if self.with_pages else []
        parts += ["with boxes"] if self.with_boxes else []
        parts += [self.parts, self.stride] if self.parts != "documents" else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def tokenised(
    store: Store,
    vocabulary: Vocabulary | None,
    vocabulary_size: int,
    max_tokens: int,
    truncation: str,
    out: str | Path,
    progress: Progress = silent,
    with_pages: bool = False,
    with_boxes: bool = False,
    parts: Parts = "documents",
    stride: int = 0,
) -> Store:
    """A copy of a store with tokens in place of pages: the same order, labels, splits and names. Reused where it is.

    The manifest's `source` says which vocabulary, `max_tokens`, `truncation` and `tokenised_from`; `tokens` which
    share of the documents was truncated and which share of their tokens is [UNK].

    Args:
        store: with text.
        vocabulary: None: one is trained on the text of the training split alone.
        vocabulary_size: of a trained one.
        max_tokens, truncation: as `encode`.
        out: the new store's directory.
        progress: told how many documents are encoded.
        with_pages: keep the pages and the places of their words too, for a network that reads them beside the text.
        with_boxes: note the box of each token's word.
        parts: rows that are no whole documents: windows of them, or questions with windows; see `shared.store`.
        stride: tokens that a window shares with the one before.

    Raises:
        UserError: no text; no words where their boxes are asked for; rows that are parts of documents already; windows
            that would not move on; `out` is something else, or cannot be written; what `encode` and `train_vocabulary`
            raise.
    """
    if store.text is None:
        raise UserError(f"{store.path}: holds no text; prepare it again with `bench data prepare ... --ocr tesseract`")
    if with_boxes and OFFSETS not in store.manifest["bytes"]:
        raise UserError(f"{store.path}: its text has no places on the page; prepare it again with `--ocr tesseract`")
    if store.documents is not None:
        raise UserError(f"{store.path}: its rows are parts of documents; give the store that it was made from")
    kept_ends(max_tokens, truncation)
    how = Tokenisation(vocabulary, vocabulary_size, max_tokens, truncation, with_pages, with_boxes, parts, stride)
    text, fingerprint = store.text, how.fingerprint(store)
    return made_once(
        Path(out),
        fingerprint,
        "store, vocabulary or length",
        lambda folder: write(store, text, how, fingerprint, folder, progress),
    )


def write(store: Store, text: Strings, how: Tokenisation, fingerprint: str, folder: Path, progress: Progress) -> None:
    """Write the derived store's files into an empty folder."""
    vocabulary, known = how.vocabulary, dict[str, str](store.manifest["sha256"])
    if vocabulary is None:
        progress("vocabulary", 0, 1)
        vocabulary = train_vocabulary(Rows(text, store.indices(SPLITS[0])), how.vocabulary_size)
    encoder = Encoder(vocabulary, how.max_tokens, how.truncation)
    labels, split_codes = store.labels, store.split_codes
    made = [LABELS, SPLIT_CODES, TOKENS, LENGTHS, VOCABULARY, *((TOKEN_BOXES,) if how.with_boxes else ())]
    linked, of_parts = [*string_files(NAMES), *string_files(TEXT)], dict[str, Any]()
    if how.parts != "documents":
        documents, arrays, shares = Cut(store, encoder, how.stride, how.parts).write(folder, progress)
        labels, split_codes = labels[documents], split_codes[documents]
        write_strings(folder, NAMES, numbered(store.names, documents))
        made = list(dict.fromkeys([*made, *arrays, *string_files(NAMES)]))
        linked = [*string_files(TEXT), *(name for name in (*WORD_FILES, *string_files(QUESTIONS)) if name in known)]
        of_parts = {"documents": len(store.labels), "count": len(labels)}
    elif how.with_boxes:
        shares = write_words_as_tokens(store, encoder, folder, progress)
    else:
        shares = write_tokens(text, encoder, folder, progress)
    if how.parts == "documents" and TEACHER in known:
        linked.append(TEACHER)
    write_vocabulary(folder / VOCABULARY, vocabulary.tokens)
    np.save(folder / LABELS, labels, allow_pickle=False)
    np.save(folder / SPLIT_CODES, split_codes, allow_pickle=False)
    if how.with_pages:
        linked += [name for name in (IMAGES, *WORD_FILES) if name in known and name not in linked]
    left_out = (() if how.with_pages else OF_PAGES_ONLY) + (OF_DOCUMENTS_ONLY if of_parts else ())
    for name in linked:
        link_or_copy(store.path / name, folder / name)
    counts = count_documents(labels, split_codes, store.classes)
    manifest = {key: value for key, value in store.manifest.items() if key not in left_out} | {
        "schema": STORE_SCHEMA,
        "source": {
            **without_tokens(store.manifest.get("source", {})),
            "vocabulary": vocabulary.origin,
            "vocabulary_digest": vocabulary.digest,
            "vocabulary_size": len(vocabulary.tokens),
            "max_tokens": how.max_tokens,
            "truncation": how.truncation,
            "tokenised_from": store.digest,
        },
        "image_size": store.image_size if how.with_pages else None,
        **of_parts,
        "counts": counts,
        "notes": missing_classes(counts, split_codes),
        "tokens": shares,
        "versions": {**store.manifest.get("versions", {}), "tokenizers": tokenizers.__version__},
        "sha256": {name: file_sha256(folder / name) for name in made} | {name: known[name] for name in linked},
        "bytes": {name: (folder / name).stat().st_size for name in (*made, *linked)},
        "fingerprint": fingerprint,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def numbered(names: Strings, documents: np.ndarray) -> Iterator[str]:
    """A name for each part of a document: its first part has the document's own."""
    seen: Counter[int] = Counter()
    for document in documents.tolist():
        seen[document] += 1
        yield names[document] if seen[document] == 1 else f"{names[document]} [{seen[document]}]"


def write_tokens(text: Strings, encoder: Encoder, folder: Path, progress: Progress) -> dict[str, float]:
    """Encode all documents into TOKENS and LENGTHS.

    Returns:
        `truncated`: share of the documents; `unknown`: share of their kept tokens, [CLS] and [SEP] left out.
    """
    count, unknown_id = len(text), encoder.vocabulary.ids[UNK]
    tokens = np.lib.format.open_memmap(folder / TOKENS, "w+", np.dtype(np.int32), (count, encoder.max_tokens))
    lengths = np.zeros(count, np.int32)
    done = truncated = unknown = 0
    progress("tokens", 0, count)
    for part in encoder.stream(text[row] for row in range(count)):
        rows = slice(done, done + len(part.lengths))
        tokens[rows], lengths[rows] = part.ids, part.lengths
        truncated += int((part.full_lengths > part.lengths).sum())
        unknown += int((part.ids == unknown_id).sum())
        done = rows.stop
        progress("tokens", done, count)
    tokens.flush()
    np.save(folder / LENGTHS, lengths, allow_pickle=False)
    kept = int(lengths.sum(dtype=np.int64)) - 2 * count
    return {"truncated": truncated / max(count, 1), "unknown": unknown / max(kept, 1)}


def write_words_as_tokens(store: Store, encoder: Encoder, folder: Path, progress: Progress) -> dict[str, float]:
    """`write_tokens` of a store's words, and the box of each token's word in TOKEN_BOXES; zeros where it has none."""
    words, count, unknown_id = read_words(store), len(store.labels), encoder.vocabulary.ids[UNK]
    assert words is not None, "asked before"
    shape = (count, encoder.max_tokens)
    tokens = np.lib.format.open_memmap(folder / TOKENS, "w+", np.dtype(np.int32), shape)
    boxes = np.lib.format.open_memmap(folder / TOKEN_BOXES, "w+", np.dtype(np.uint16), (*shape, 4))
    lengths = np.zeros(count, np.int32)
    truncated = unknown = 0
    progress("tokens", 0, count)
    for begin in range(0, count, PAGES_AT_ONCE):
        rows = range(begin, min(begin + PAGES_AT_ONCE, count))
        pages = [words.page(row) for row in rows]
        part, of_word = encoder.of_words([[word.text for word in page] for page in pages])
        for row, page, which in zip(rows, pages, of_word, strict=True):
            places = np.array([*(word.box for word in page), (0, 0, 0, 0)], np.uint16)  # the last is no word's
            boxes[row] = places[which]
        tokens[rows.start : rows.stop], lengths[rows.start : rows.stop] = part.ids, part.lengths
        truncated += int((part.full_lengths > part.lengths).sum())
        unknown += int((part.ids == unknown_id).sum())
        progress("tokens", rows.stop, count)
    tokens.flush()
    boxes.flush()
    np.save(folder / LENGTHS, lengths, allow_pickle=False)
    kept = int(lengths.sum(dtype=np.int64)) - 2 * count
    return {"truncated": truncated / max(count, 1), "unknown": unknown / max(kept, 1)}
