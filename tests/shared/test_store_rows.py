"""Stores whose rows are parts of documents: what does not fit is told by name, in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shared.errors import UserError
from shared.store import (
    ANSWERS,
    DOCUMENTS,
    GROUPS,
    MANIFEST,
    NO_LABEL,
    QUESTION_LENGTHS,
    TOKEN_LINES,
    TOKEN_TAGS,
    TOKEN_WORDS,
    file_sha256,
    open_store,
)
from shared.store_check import MOST_TOKENS, ROW_FILES
from tests import row_stores
from tests.row_stores import TOKENS_WIDE

N = 4
WORDS = row_stores.framed([3, 4, 2, 0])
ARRAYS = {
    DOCUMENTS: np.array([0, 0, 1, 2], np.int32),
    GROUPS: np.array([0, 0, 1, 2], np.int32),
    TOKEN_WORDS: WORDS,
    TOKEN_TAGS: np.where(WORDS >= 0, 1, NO_LABEL).astype(np.int16),
    ANSWERS: np.array([[1, 2], [0, 0], [NO_LABEL, NO_LABEL], [1, 1]], np.int32),
    QUESTION_LENGTHS: np.array([0, 2, 3, TOKENS_WIDE], np.int32),
}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return row_stores.make_store(tmp_path / "store", ARRAYS, tags=["O", "B-a", "I-a"]).path


def put(store: Path, name: str, array: np.ndarray | None) -> None:
    """Replace a file, or take it away, and say so in the manifest."""
    manifest = json.loads((store / MANIFEST).read_text())
    if array is None:
        (store / name).unlink()
        del manifest["sha256"][name], manifest["bytes"][name]
    else:
        np.save(store / name, array)
        manifest["sha256"][name], manifest["bytes"][name] = file_sha256(store / name), (store / name).stat().st_size
    (store / MANIFEST).write_text(json.dumps(manifest))


def refusal(store: Path) -> str:
    with pytest.raises(UserError) as caught:
        open_store(store, checksums=None)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{store}: ") and message.endswith("; prepare the store again")
    return message


def changed(name: str, place: tuple[int, ...], value: int) -> np.ndarray:
    array = (row_stores.grid(WORDS)[0] if name == TOKEN_LINES else ARRAYS[name]).copy()
    array[place] = value
    return array


def test_a_good_store_opens(store: Path) -> None:
    found = open_store(store, checksums=True)
    for name, attribute in zip(
        ROW_FILES,
        ("documents", "groups", "token_words", "token_lines", "token_tags", "answers", "question_lengths"),
        strict=True,
    ):
        array = getattr(found, attribute)
        assert isinstance(array, np.memmap), "on disk until it is indexed"
        expected = row_stores.grid(WORDS)[0] if name == TOKEN_LINES else ARRAYS[name]
        assert np.array_equal(array, expected)
    assert found.document_of(np.array([3, 0])).tolist() == [2, 0]


@pytest.mark.parametrize(
    ("name", "place", "value", "said"),
    [
        (DOCUMENTS, (3,), 3, "holds 0 to 3, 0 to 2 expected"),
        (DOCUMENTS, (0,), -1, "holds -1 to 2, 0 to 2 expected"),
        (DOCUMENTS, (0,), 2, "is not in ascending order"),
        (GROUPS, (3,), N, "holds 0 to 4, 0 to 3 expected"),
        (GROUPS, (0,), -1, "holds -1 to 2"),
        (GROUPS, (1,), 3, "is not in ascending order"),
        (TOKEN_WORDS, (0, 0), -2, f"holds -2 to 3, -1 to {MOST_TOKENS} expected"),
        (TOKEN_LINES, (0, 0), -1, "holds -1 to 0"),
        (TOKEN_LINES, (1, 1), TOKENS_WIDE, f"holds 0 to {TOKENS_WIDE}, 0 to {TOKENS_WIDE - 1} expected"),
        (TOKEN_TAGS, (0, 1), 3, "holds -100 to 3, -100 to 2 expected"),
        (TOKEN_TAGS, (0, 1), -101, "holds -101 to 1"),
        (TOKEN_TAGS, (0, 1), -1, f"holds a negative number that is not {NO_LABEL}"),
        (ANSWERS, (0, 1), TOKENS_WIDE, f"-100 to {TOKENS_WIDE - 1} expected"),
        (ANSWERS, (0, 0), -1, f"holds a negative number that is not {NO_LABEL}"),
        (QUESTION_LENGTHS, (1,), -1, "holds -1 to"),
        (QUESTION_LENGTHS, (1,), TOKENS_WIDE + 1, f"0 to {TOKENS_WIDE} expected"),
    ],
)
def test_a_number_that_cannot_be(store: Path, name: str, place: tuple[int, ...], value: int, said: str) -> None:
    put(store, name, changed(name, place, value))
    message = refusal(store)
    assert said in message and name in message


@pytest.mark.parametrize("name", ROW_FILES)
def test_an_array_of_another_shape_or_kind(store: Path, name: str) -> None:
    good = row_stores.grid(WORDS)[0] if name == TOKEN_LINES else ARRAYS[name]
    for array in (good[:-1], good.astype(np.float32), good[..., None]):
        put(store, name, array)
        message = refusal(store)
        assert f"{name} holds {array.dtype} of shape {array.shape}, not integers of a row each" in message


@pytest.mark.parametrize("name", [DOCUMENTS, GROUPS, TOKEN_WORDS, "tokens.npy"])
def test_what_goes_together(store: Path, name: str) -> None:
    put(store, name, None)
    if name == "tokens.npy":
        put(store, "lengths.npy", None)
        put(store, "token_boxes.npy", None)
    assert "tokens.npy, documents.npy, groups.npy and token_words.npy go together" in refusal(store)


@pytest.mark.parametrize("value", [None, 0, 2])
def test_a_manifest_of_fewer_documents(store: Path, value: int | None) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps(manifest | {"documents": value}))
    assert "documents.npy holds 0 to 2" in refusal(store)


@pytest.mark.parametrize(("key", "value"), [("tags", "O"), ("tags", ["O", "O"]), ("documents", -1), ("documents", 2.5)])
def test_a_field_that_is_not_of_its_kind(store: Path, key: str, value: object) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    (store / MANIFEST).write_text(json.dumps(manifest | {key: value}))
    with pytest.raises(UserError, match=f"'{key}' is not ") as caught:
        open_store(store)
    assert "\n" not in str(caught.value)


def test_tags_without_names(store: Path) -> None:
    manifest = json.loads((store / MANIFEST).read_text())
    del manifest["tags"]
    (store / MANIFEST).write_text(json.dumps(manifest))
    assert "token_tags.npy holds -100 to 1, -100 to -1 expected" in refusal(store)


def test_a_group_is_of_one_document(store: Path) -> None:
    put(store, GROUPS, np.array([0, 0, 0, 1], np.int32))
    assert f"{GROUPS} holds a group of two documents" in refusal(store)


def test_an_answer_does_not_end_before_it_begins(store: Path) -> None:
    put(store, ANSWERS, changed(ANSWERS, (0, 1), 0))
    assert f"{ANSWERS} holds an answer that ends before it begins" in refusal(store)
