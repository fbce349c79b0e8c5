"""What a prepared store may hold: its files by name, its manifest and its arrays, checked before anything uses them.

A store may come from anybody; `shared.store` says what a good one looks like.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from shared.outside import is_plain_name

STORE_SCHEMA = 2
MANIFEST = "manifest.json"
IMAGES, LABELS, SPLIT_CODES = "images.u8", "labels.npy", "splits.npy"
NAMES, TEXT = "names", "text"  # stems of two files each, see `Strings`
TOKENS, LENGTHS, VOCABULARY = "tokens.npy", "lengths.npy", "vocab.txt"
TOKEN_BOXES = "token_boxes.npy"
VECTORS = "vectors.npy"  # of the words of VOCABULARY
WORD_TAGS, QUESTIONS = "word_tags.npy", "questions"
# of a store whose rows are parts of documents (`shared.rows`)
DOCUMENTS, GROUPS, TOKEN_WORDS = "documents.npy", "groups.npy", "token_words.npy"
TOKEN_LINES = "token_lines.npy"
TOKEN_TAGS, ANSWERS, QUESTION_LENGTHS = "token_tags.npy", "answers.npy", "question_lengths.npy"
ROW_FILES = (DOCUMENTS, GROUPS, TOKEN_WORDS, TOKEN_LINES, TOKEN_TAGS, ANSWERS, QUESTION_LENGTHS)
TEACHER = "teacher.npy"  # logits of a teacher, of each document, and an entry of the manifest that says whose
NO_LABEL = -100  # of a token that is not scored, and of an answer that is not trained on
BOX_SCALE = 1000  # of a page's width and height: boxes count in thousandths, as LayoutLM does
SPLITS = ("train", "val", "test")
MOST_PIXELS = 1 << 16  # of a side of a page
MOST_CLASSES = 100_000
MOST_TOKENS = 1 << 31  # of a vocabulary, or of a text: tokens are int32
LONGEST_NAME = 1000  # characters of a class: names stand in tables, figures and pages


def string_files(stem: str) -> tuple[str, str]:
    """The two files of `Strings`.

    >>> string_files("text")
    ('text.utf8', 'text.offsets.npy')
    """
    return f"{stem}.utf8", f"{stem}.offsets.npy"


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Whether every field that something reads is there and of its kind.

    Raises:
        ValueError: the first that is not, in words.
    """
    names = list(manifest["bytes"]) if isinstance(manifest.get("bytes"), dict) else []
    size = PIXELS if IMAGES in names else ANYTHING
    for key, (is_right, kind) in REQUIRED.items():
        if key not in manifest:
            raise ValueError(f"{key!r} is missing")
        if not is_right(manifest[key]):
            raise ValueError(f"{key!r} is not {kind}")
    if not size[0](manifest["image_size"]):
        raise ValueError(f"'image_size' is not {size[1]}")
    for key, (is_right, kind) in OPTIONAL.items():
        if manifest.get(key) is not None and not is_right(manifest[key]):
            raise ValueError(f"{key!r} is not {kind}")
    for key in ("sha256", "bytes"):
        for name in (LABELS, SPLIT_CODES, *string_files(NAMES)):
            if name not in manifest[key]:
                raise ValueError(f"{name!r} is missing")
    if set(manifest["sha256"]) != set(manifest["bytes"]):
        odd = sorted(set(manifest["sha256"]) ^ set(manifest["bytes"]))[0]
        raise ValueError(f"{odd!r} has a size or a sha256, not both")


def check_arrays(
    manifest: Mapping[str, Any],
    labels: np.ndarray,
    split_codes: np.ndarray,
    tokens: np.ndarray | None,
    lengths: np.ndarray | None,
    token_boxes: np.ndarray | None = None,
) -> None:
    """Whether the arrays are of the manifest's documents and classes; pages are checked by their number of bytes.

    Raises:
        ValueError: the first thing that does not fit, in words.
    """
    count, num_classes = manifest["count"], len(manifest["classes"])
    arrays = {
        LABELS: labels,
        SPLIT_CODES: split_codes,
        TOKENS: tokens,
        LENGTHS: lengths,
        TOKEN_BOXES: token_boxes,
    }
    dimensions = {LABELS: (1, 2), SPLIT_CODES: (1,), TOKENS: (2,), LENGTHS: (1,), TOKEN_BOXES: (3,)}
    if (tokens is None) != (lengths is None):
        raise ValueError(f"{TOKENS} and {LENGTHS} go together")
    for name, array in arrays.items():
        if array is None:
            continue
        if array.dtype.kind not in "iu" or array.ndim not in dimensions[name]:
            raise ValueError(f"{name} holds {array.dtype} of {array.ndim} dimensions, not integers of a document each")
        if len(array) != count:
            raise ValueError("its arrays differ in their number of documents")
    if labels.ndim == 2 and labels.shape[1] != num_classes:
        raise ValueError(f"{LABELS} has {labels.shape[1]} columns, the manifest {num_classes} classes")
    highest = num_classes - 1 if labels.ndim == 1 else 1
    if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) <= highest:
        raise ValueError(f"{LABELS} holds {int(labels.min())} to {int(labels.max())}, 0 to {highest} expected")
    if count and not 0 <= int(split_codes.min()) <= int(split_codes.max()) < len(SPLITS):
        raise ValueError(f"{SPLIT_CODES} holds a code that is none of {', '.join(SPLITS)}")
    width = 0 if tokens is None else tokens.shape[1]
    if lengths is not None and count and not 1 <= int(lengths.min()) <= int(lengths.max()) <= width:
        raise ValueError(f"{LENGTHS} holds {int(lengths.min())} to {int(lengths.max())} of {width} tokens")
    if token_boxes is not None and (tokens is None or token_boxes.shape != (*tokens.shape, 4)):
        raise ValueError(f"{TOKEN_BOXES} does not hold four edges a token of {TOKENS}")


def check_tokens(manifest: Mapping[str, Any], tokens: np.ndarray) -> None:
    """Whether every token is a row of the vocabulary; reads all of them.

    Raises:
        ValueError: one is not.
    """
    size = manifest.get("source", {}).get("vocabulary_size") or MOST_TOKENS
    if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < size:
        raise ValueError(
            f"{TOKENS} holds {int(tokens.min())} to {int(tokens.max())}, its vocabulary has {size} entries"
        )


def check_rows(manifest: Mapping[str, Any], tokens: np.ndarray | None, arrays: Mapping[str, np.ndarray]) -> None:
    """Whether the arrays of a store whose rows are parts of documents fit its manifest and its tokens; reads all.

    Args:
        arrays: those of ROW_FILES that are there, by name.

    Raises:
        ValueError: the first thing that does not fit, in words.
    """
    if not arrays:
        return
    if tokens is None or not {DOCUMENTS, GROUPS, TOKEN_WORDS} <= arrays.keys():
        raise ValueError(f"{TOKENS}, {DOCUMENTS}, {GROUPS} and {TOKEN_WORDS} go together")
    (count, width), num_tags = tokens.shape, len(manifest.get("tags") or ())
    documents = manifest.get("documents")
    most = {
        DOCUMENTS: (0, (documents if isinstance(documents, int) else 0) - 1),
        GROUPS: (0, count - 1),
        TOKEN_WORDS: (-1, MOST_TOKENS),
        TOKEN_LINES: (0, width - 1),
        TOKEN_TAGS: (NO_LABEL, num_tags - 1),
        ANSWERS: (NO_LABEL, width - 1),
        QUESTION_LENGTHS: (0, width),
    }
    shapes = {TOKEN_WORDS: (count, width), TOKEN_LINES: (count, width), TOKEN_TAGS: (count, width), ANSWERS: (count, 2)}
    for name, array in arrays.items():
        if array.dtype.kind not in "iu" or array.shape != shapes.get(name, (count,)):
            raise ValueError(f"{name} holds {array.dtype} of shape {array.shape}, not integers of a row each")
        low, high = most[name]
        if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
            raise ValueError(f"{name} holds {int(array.min())} to {int(array.max())}, {low} to {high} expected")
        if low == NO_LABEL and ((array < 0) & (array != NO_LABEL)).any():
            raise ValueError(f"{name} holds a negative number that is not {NO_LABEL}")
    for name in (DOCUMENTS, GROUPS):
        if (np.diff(arrays[name].astype(np.int64)) < 0).any():
            raise ValueError(f"{name} is not in ascending order")
    documents, groups = arrays[DOCUMENTS], arrays[GROUPS]
    if ((documents[1:] != documents[:-1]) & (groups[1:] == groups[:-1])).any():
        raise ValueError(f"{GROUPS} holds a group of two documents")
    if ANSWERS in arrays and (arrays[ANSWERS][:, 1] < arrays[ANSWERS][:, 0]).any():
        raise ValueError(f"{ANSWERS} holds an answer that ends before it begins")


def texts_digest(manifest: Mapping[str, Any]) -> str:
    """Identity of a store's texts and their order, whatever else it holds of the documents."""
    sums = [manifest["sha256"].get(name) for name in string_files(TEXT)]
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]


def classes_digest(classes: Sequence[str]) -> str:
    """Identity of classes and their order."""
    return hashlib.sha256(json.dumps(list(classes)).encode()).hexdigest()[:16]


def check_teacher(manifest: Mapping[str, Any], teacher: np.ndarray | None, values: bool) -> None:
    """Whether a teacher's logits are of these texts and classes.

    Args:
        values: read all of them, too.

    Raises:
        ValueError: the first thing that does not fit, in words.
    """
    identity = manifest.get("teacher")
    if (teacher is None) != (identity is None):
        raise ValueError(f"{TEACHER} and the manifest's 'teacher' go together")
    if teacher is None or identity is None:
        return
    if identity["classes"] != classes_digest(manifest["classes"]):
        raise ValueError(f"{TEACHER} is of other classes")
    if identity["texts"] != texts_digest(manifest):
        raise ValueError(f"{TEACHER} is of other documents: the teacher ({identity['name']}) never saw these")
    shape = (manifest["count"], len(manifest["classes"]))
    if teacher.dtype != np.float32 or teacher.shape != shape:
        raise ValueError(f"{TEACHER} holds {teacher.dtype} of shape {teacher.shape}, float32 of {shape} expected")
    if values and not np.isfinite(teacher).all():
        raise ValueError(f"{TEACHER} holds numbers that are not finite")


def check_vectors(manifest: Mapping[str, Any], vectors: np.ndarray | None, values: bool) -> None:
    """Whether word vectors are of the vocabulary's words.

    Args:
        values: read all of them, too.

    Raises:
        ValueError: the first thing that does not fit, in words.
    """
    if vectors is None:
        return
    source = manifest.get("source") or {}
    if TOKENS not in manifest["bytes"] or source.get("sentences") is None:
        raise ValueError(f"{VECTORS} without whole words as tokens")
    shape = (source.get("vocabulary_size"), source.get("vector_size"))
    if vectors.dtype != np.float32 or vectors.shape != shape:
        raise ValueError(f"{VECTORS} holds {vectors.dtype} of shape {vectors.shape}, float32 of {shape} expected")
    if vectors[:1].any():
        raise ValueError(f"{VECTORS} has a vector of the padding that is not 0")
    if values and not np.isfinite(vectors).all():
        raise ValueError(f"{VECTORS} holds numbers that are not finite")


def check_boxes(boxes: np.ndarray) -> None:
    """Whether every box lies on the page and its edges are in order; reads all of them.

    Raises:
        ValueError: one does not.
    """
    if boxes.size and not 0 <= int(boxes.min()) <= int(boxes.max()) <= BOX_SCALE:
        raise ValueError(f"{TOKEN_BOXES} holds {int(boxes.min())} to {int(boxes.max())}, 0 to {BOX_SCALE} expected")
    if (boxes[..., 2:] < boxes[..., :2]).any():
        raise ValueError(f"{TOKEN_BOXES} holds a box whose right or bottom edge lies before the other")


def _is_int(value: Any, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _is_classes(value: Any) -> bool:
    names = isinstance(value, list) and 1 <= len(value) <= MOST_CLASSES
    return (
        names
        and all(isinstance(each, str) and each and len(each) <= LONGEST_NAME for each in value)
        and (len(set(value)) == len(value))
    )


def _is_files(value: Any, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(is_plain_name(name) and is_right(each) for name, each in value.items())


def _is_listed(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict) and isinstance(each.get("file"), str) and isinstance(each.get("reason"), str)
        for each in value
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _is_text_facts(value: Any) -> bool:
    """Of OCR, or of text that came with the pages: what `bench data info` shows and computes with."""
    if not isinstance(value, dict) or not _is_listed(value.get("failed", [])):
        return False
    numbers = [value[key] for key in ("empty", "words") if key in value]
    numbers += [value["pages_per_second"]] if value.get("pages_per_second") is not None else []
    return all(map(_is_number, numbers)) and all(
        isinstance(value.get(key, []), list) for key in ("cut", "invalid_utf8")
    )


def _is_source(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    origins = [value.get(key) for key in ("resized_from", "tokenised_from")]
    sizes = [value.get(key) for key in ("vocabulary_size", "max_tokens", "vector_size")]
    return (
        all(each is None or (isinstance(each, str) and len(each) <= LONGEST_NAME) for each in origins)
        and all(size is None or _is_int(size, 1, MOST_TOKENS) for size in sizes)
        and (value.get("sentences") is None or _is_int(value["sentences"], 0, MOST_TOKENS))
    )


def _is_teacher(value: Any) -> bool:
    texts = ("name", "weights", "spec", "texts", "classes")
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) and 0 < len(value[key]) <= LONGEST_NAME for key in texts
    )


Check = tuple[Callable[[Any], bool], str]  # whether a value is right, and what would be
PIXELS: Check = (lambda value: _is_int(value, 1, MOST_PIXELS), f"a size of 1 to {MOST_PIXELS} pixels")
ANYTHING: Check = (lambda value: value is None or _is_int(value, 0, MOST_PIXELS), "a size, or null")
REQUIRED: dict[str, Check] = {
    "name": (lambda value: isinstance(value, str) and 0 < len(value) <= LONGEST_NAME, "a name"),
    "image_size": (lambda value: True, "a size"),
    "count": (lambda value: _is_int(value, 0, 1 << 40), "a number of documents"),
    "classes": (_is_classes, f"a list of different names of 1 to {LONGEST_NAME} characters each"),
    "bytes": (
        lambda value: _is_files(value, lambda each: _is_int(each, 0, 1 << 50)),
        "a size for each plain file name",
    ),
    "sha256": (
        lambda value: _is_files(value, lambda each: isinstance(each, str) and len(each) <= 64),
        "a sha256 for each plain file name",
    ),
}
OPTIONAL: dict[str, Check] = {
    "source": (_is_source, "a mapping with the size of the vocabulary and the stores it was made from, if it has them"),
    "text": (_is_text_facts, "a mapping of figures"),
    "versions": (lambda value: isinstance(value, dict), "a mapping"),
    "ocr": (_is_text_facts, "a mapping of figures and failed pages"),
    "rejected": (_is_listed, "a list of files with reasons"),
    "notes": (
        lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
        "a list of lines",
    ),
    "created": (lambda value: isinstance(value, str), "a time"),
    "annotation_notes": (
        lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
        "a list of lines",
    ),
    "tags": (_is_classes, f"a list of different names of 1 to {LONGEST_NAME} characters each"),
    "documents": (lambda value: _is_int(value, 0, 1 << 40), "a number of documents"),
    "teacher": (_is_teacher, "a teacher's identity"),
}
