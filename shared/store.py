"""The prepared store: documents decoded once, read by both wings without decoding.

A store is a directory, written under a temporary name and renamed when it is whole:
`labels.npy` (int32, N; or uint8, N x K, where a document may have several labels), `splits.npy` (int8, N: 0 train,
1 val, 2 test), `names.utf8` with `names.offsets.npy` (each document's name in its source), `manifest.json` (schema,
counts, classes, source, tool versions, sha256 of every file, rejected inputs with the reason) and what it holds of
    pages: `images.u8` (N x H x W, grey, raw bytes);
    text: `text.utf8` with `text.offsets.npy`, and of text that was read by OCR also the words (`shared.words`);
    tokens: `tokens.npy` (int32, N x T, 0 behind the end), `lengths.npy` (int32, N) and their `vocab.txt`; where the
        text has words, and it is asked for, `token_boxes.npy` (uint16, N x T x 4: that of a token's word, thousandths);
        whole words (`shared.word_tokens`) may come with `vectors.npy` (float32, V x D: a vector for each of vocab.txt);
    a teacher: `teacher.npy` (float32, N x K: its logits of each document), of the one that the manifest names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import UserError
from shared.outside import NO_SUCH_FILE, OutsideError, inside, open_file, parse_json, read_array, read_json
from shared.store_check import (
    ANSWERS,
    DOCUMENTS,
    GROUPS,
    IMAGES,
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    QUESTION_LENGTHS,
    ROW_FILES,
    SPLIT_CODES,
    SPLITS,
    STORE_SCHEMA,
    TEACHER,
    TEXT,
    TOKEN_BOXES,
    TOKEN_LINES,
    TOKEN_TAGS,
    TOKEN_WORDS,
    TOKENS,
    VECTORS,
    check_arrays,
    check_boxes,
    check_manifest,
    check_rows,
    check_teacher,
    check_tokens,
    check_vectors,
    string_files,
)
from shared.store_check import NO_LABEL as NO_LABEL  # whoever reads a store imports its names from here
from shared.store_check import QUESTIONS as QUESTIONS
from shared.store_check import VOCABULARY as VOCABULARY
from shared.store_check import WORD_TAGS as WORD_TAGS
from shared.strings import Strings as Strings
from shared.strings import map_bytes, read_strings
from shared.strings import write_strings as write_strings

CHECKSUM_LIMIT_BYTES = 1 << 30  # larger files are checked by size on opening, by sha256 only when asked to
READ_BYTES = 1 << 22

OnBytes = Callable[[int, int], None]  # called with (bytes read so far, bytes in all)


@dataclass(frozen=True)
class Store:
    """An opened store; pages, text, tokens and boxes stay on disk until they are indexed."""

    path: Path
    manifest: dict[str, Any]
    labels: np.ndarray  # int32, N; multi-label: uint8, N x K, 1 where a document has a label
    split_codes: np.ndarray  # int8, N
    pixels: np.ndarray | None = None  # uint8, N x H x W, memory-mapped
    tokens: np.ndarray | None = None  # int32, N x T, memory-mapped
    lengths: np.ndarray | None = None  # int32, N: tokens before the padding
    token_boxes: np.ndarray | None = None  # uint16, N x T x 4: left, top, right, bottom, memory-mapped

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the place, not the content: a loader process opens the store itself."""
        content = self.tokens if self.pixels is None else self.pixels
        return reopen, (self.path, not isinstance(content, np.memmap), self.split_codes)

    def in_memory(self) -> Store:
        """The same store with its pages, tokens and boxes read into memory."""
        pixels, tokens, boxes = (
            None if array is None else np.array(array) for array in (self.pixels, self.tokens, self.token_boxes)
        )
        return replace(self, pixels=pixels, tokens=tokens, token_boxes=boxes)

    def with_splits(self, split_codes: np.ndarray) -> Store:
        """The same documents dealt out in another way (int8, N; a code outside SPLITS takes part in none)."""
        assert split_codes.shape == self.split_codes.shape
        return replace(self, split_codes=split_codes)

    @cached_property
    def names(self) -> Strings:
        """Each document's name in its source."""
        return read_strings(self.path, NAMES)

    @cached_property
    def text(self) -> Strings | None:
        """Each document's text; None where the store holds none."""
        return read_strings(self.path, TEXT) if string_files(TEXT)[0] in self.manifest["bytes"] else None

    def _of_rows(self, name: str) -> np.ndarray | None:
        return read_array(self.path / name, mapped=True) if name in self.manifest["bytes"] else None

    @cached_property
    def documents(self) -> np.ndarray | None:
        """The document that each row is a part of (int32, N); None: rows are documents."""
        return self._of_rows(DOCUMENTS)

    @cached_property
    def groups(self) -> np.ndarray | None:
        """The number that rows share which are judged together (int32, N, ascending); None: each by itself."""
        return self._of_rows(GROUPS)

    @cached_property
    def token_words(self) -> np.ndarray | None:
        """Which of its document's words each token is of (int32, N x T; -1: none's)."""
        return self._of_rows(TOKEN_WORDS)

    @cached_property
    def token_lines(self) -> np.ndarray | None:
        """Which line of its row's text each token stands in (int32, N x T), counted from the row's first."""
        return self._of_rows(TOKEN_LINES)

    @cached_property
    def token_tags(self) -> np.ndarray | None:
        """The tag of each token (int16, N x T; NO_LABEL: it is not scored)."""
        return self._of_rows(TOKEN_TAGS)

    @cached_property
    def answers(self) -> np.ndarray | None:
        """First and last token of each row's answer (int32, N x 2; NO_LABEL: nothing to train on)."""
        return self._of_rows(ANSWERS)

    @cached_property
    def question_lengths(self) -> np.ndarray | None:
        """Tokens of each row's first segment, the question (int32, N)."""
        return self._of_rows(QUESTION_LENGTHS)

    @cached_property
    def teacher(self) -> np.ndarray | None:
        """A teacher's logits of each document (float32, N x K); None: nobody has asked one."""
        return self._of_rows(TEACHER)

    @cached_property
    def vectors(self) -> np.ndarray | None:
        """The vector of each word of the vocabulary (float32, V x D; the padding's is 0); None: nobody gave any."""
        return self._of_rows(VECTORS)

    @property
    def sentences(self) -> int | None:
        """Sentences that a text is cut into, 0: it is one row of words; None: its tokens are no whole words."""
        return None if self.tokens is None else self.manifest.get("source", {}).get("sentences")

    @cached_property
    def questions(self) -> Strings | None:
        """Of each document what is asked of it (JSON: a list of `text` and `answers`); None: nothing."""
        return read_strings(self.path, QUESTIONS) if string_files(QUESTIONS)[0] in self.manifest["bytes"] else None

    def questions_of(self, document: int) -> list[tuple[str, tuple[str, ...]]]:
        """What is asked of a document, with the answers.

        Raises:
            UserError: the store holds something else there.
        """
        assert self.questions is not None, "the plan gives a store what its workload reads"
        try:
            found: Any = parse_json(self.questions[document])
            return [(str(each["text"]), tuple(map(str, each["answers"]))) for each in found]
        except (ValueError, KeyError, TypeError) as error:
            what = f"{self.path}: questions of document {document} cannot be read ({type(error).__name__})"
            raise UserError(f"{what}; prepare the store again") from None

    @property
    def tags(self) -> list[str]:
        """The names of the words' tags; none where they have none."""
        return list(self.manifest.get("tags") or [])

    @cached_property
    def split_documents(self) -> tuple[np.ndarray, ...]:
        """The documents of each of SPLITS (int64, ascending)."""
        return tuple(
            np.unique(self.document_of(np.flatnonzero(self.split_codes == code))) for code in range(len(SPLITS))
        )

    def document_of(self, rows: np.ndarray) -> np.ndarray:
        """The documents of some rows: where their page, their words and their questions are."""
        return rows if self.documents is None else np.asarray(self.documents[rows])

    @property
    def multi_label(self) -> bool:
        """Whether a document may have several labels."""
        return self.labels.ndim == 2

    @property
    def name(self) -> str:
        """Where the documents are from: `synthetic`, `rvl-cdip`, `tobacco3482`, `folder`, `index` or `corpus`."""
        return str(self.manifest["name"])

    @property
    def image_size(self) -> int | None:
        """Width and height of a page, pixels; None where the store holds no pages."""
        return None if self.pixels is None else int(self.pixels.shape[1])

    @property
    def max_tokens(self) -> int | None:
        """Width of the token array; None where the store holds no tokens."""
        return None if self.tokens is None else int(self.tokens.shape[1])

    @property
    def classes(self) -> list[str]:
        """Class names; a label is an index into them."""
        return list(self.manifest["classes"])

    @property
    def digest(self) -> str:
        """Identity of the content: equal stores have equal digests wherever they were made."""
        return hashlib.sha256(json.dumps(self.manifest["sha256"], sort_keys=True).encode()).hexdigest()[:16]

    def indices(self, split: str) -> np.ndarray:
        """Sample indices (int64, ascending) of a split."""
        return np.flatnonzero(self.split_codes == SPLITS.index(split))

    def counts(self) -> dict[str, dict[str, int]]:
        """Split to class name to number of documents."""
        return count_documents(self.labels, self.split_codes, self.classes)


def count_documents(labels: np.ndarray, split_codes: np.ndarray, classes: list[str]) -> dict[str, dict[str, int]]:
    """Split to class name to number of documents; every split and class is named, also those without any."""
    table = {}
    for code, split in enumerate(SPLITS):
        chosen = labels[split_codes == code]
        per_class = chosen.sum(0, dtype=np.int64) if labels.ndim == 2 else np.bincount(chosen, minlength=len(classes))
        table[split] = dict(zip(classes, per_class.tolist(), strict=True))
    return table


def file_sha256(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file, hex; `on_bytes` is told the size of each block read."""
    checksum = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(READ_BYTES):
            checksum.update(block)
            if on_bytes:
                on_bytes(len(block))
    return checksum.hexdigest()


def read_manifest(root: Path) -> dict[str, Any]:
    """The manifest of a store.

    Raises:
        UserError: no store there, half-written, of another schema version, or not a manifest.
    """
    if not root.is_dir():
        raise UserError(f"{root}: no such store; make one with `bench data prepare`")
    path = root / MANIFEST
    try:
        manifest = read_json(path)
        schema = manifest["schema"]
    except OutsideError as error:
        if error.reason == NO_SUCH_FILE:
            raise UserError(
                f"{root}: not a prepared store ({MANIFEST} is missing: half-written, or a folder of pages); "
                "make one with `bench data prepare`"
            ) from None
        raise UserError(f"{path}: not a store's manifest: {error.reason}; prepare the store again") from None
    except (KeyError, TypeError):
        raise UserError(f"{path}: not a store's manifest; prepare the store again") from None
    if schema != STORE_SCHEMA or isinstance(schema, float):
        raise UserError(f"{root}: store schema {schema!r}, this version reads {STORE_SCHEMA}; prepare the store again")
    try:
        check_manifest(manifest)
    except ValueError as error:
        raise UserError(f"{path}: {error} (edited or damaged); prepare the store again") from None
    return dict(manifest)


def check_files(root: Path, manifest: dict[str, Any], checksums: bool | None, on_bytes: OnBytes | None) -> None:
    """Compare a store's files with its manifest: sizes always, sha256 as `open_store` says."""
    sizes: dict[str, int] = manifest["bytes"]
    for name, size in sizes.items():
        file = inside(root, name)
        if not file.is_file() or file.stat().st_size != size:
            raise UserError(f"{file}: missing or not {size} bytes long (half-written?); prepare the store again")
    limit = {True: float("inf"), None: CHECKSUM_LIMIT_BYTES, False: -1}[checksums]
    checked = [name for name, size in sizes.items() if size <= limit]
    total = sum(sizes[name] for name in checked)
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if on_bytes:
            on_bytes(done, total)

    for name in checked:
        if file_sha256(root / name, advance) != manifest["sha256"][name]:
            raise UserError(
                f"{root / name}: its sha256 is not the manifest's (changed or damaged); prepare the store again"
            )


def open_store(path: str | Path, checksums: bool | None = False, on_bytes: OnBytes | None = None) -> Store:
    """Open a prepared store.

    Args:
        path: its directory.
        checksums: True compares every file's sha256 with the manifest's; None only for files up to
            CHECKSUM_LIMIT_BYTES; False compares sizes alone (what a worker does: the harness has checked before it).
        on_bytes: told how far the checksums are.

    Raises:
        UserError: no store there, half-written, of another schema version, or with changed files.
    """
    root = Path(path)
    manifest = read_manifest(root)
    check_files(root, manifest, checksums, on_bytes)
    there, count = manifest["bytes"], int(manifest["count"])

    def array(name: str, mapped: bool = False) -> np.ndarray | None:
        return read_array(root / name, mapped) if name in there else None

    labels, split_codes, pixels = array(LABELS), array(SPLIT_CODES), None
    tokens, lengths, token_boxes = array(TOKENS, mapped=True), array(LENGTHS), array(TOKEN_BOXES, mapped=True)
    assert labels is not None and split_codes is not None  # check_manifest has seen to it
    if IMAGES in there:
        content, page = map_bytes(root / IMAGES), (int(manifest["image_size"]),) * 2
        num_pages = int(manifest.get("documents") or count)
        if len(content) != num_pages * page[0] ** 2:
            raise UserError(
                f"{root}: {IMAGES} does not hold {num_pages} pages of {page[0]} px; prepare the store again"
            )
        pixels = content.reshape(num_pages, *page)
    try:
        check_arrays(manifest, labels, split_codes, tokens, lengths, token_boxes)
        check_teacher(manifest, array(TEACHER, mapped=True), checksums is not False)
        check_vectors(manifest, array(VECTORS, mapped=True), checksums is not False)
        if tokens is not None and checksums is not False:
            check_tokens(manifest, tokens)
        if token_boxes is not None and checksums is not False:
            check_boxes(token_boxes)
        if checksums is not False:
            check_rows(
                manifest, tokens, {name: read_array(root / name, mapped=True) for name in ROW_FILES if name in there}
            )
    except ValueError as error:
        raise UserError(f"{root}: {error}; prepare the store again") from None
    return Store(root, manifest, labels, split_codes, pixels, tokens, lengths, token_boxes)


def reopen(path: Path, in_memory: bool, split_codes: np.ndarray) -> Store:
    """Open a store in another process the way it was open in the first."""
    store = open_store(path).with_splits(split_codes)
    return store.in_memory() if in_memory else store
