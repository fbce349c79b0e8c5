from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.data import encoder, synthetic
from bench.data.prepare import prepare
from bench.data.tokens import encode, tokenised
from bench.data.vocabulary_files import Vocabulary, load_vocabulary
from shared.errors import UserError
from shared.store import MANIFEST, TEXT, Strings, file_sha256, open_store, string_files
from shared.words import WORD_FILES, read_words, write_words
from tests.text_stores import text_store

TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##b", "##c", "1", "2", "3", "4", "5", "6", "7", ".")
SMALL = Vocabulary(TOKENS, "small")
PAD, UNK, CLS, SEP = range(4)


def strings(of: Strings | None) -> list[str]:
    assert of is not None
    return [of[row] for row in range(len(of))]


def words_of(ids: np.ndarray) -> str:
    return " ".join(TOKENS[index] for index in ids)


def test_ids_of_a_text() -> None:
    ids, lengths = encode(["Abc, c.", ""], SMALL, 8, "head")
    assert (ids.dtype, lengths.dtype, ids.shape) == (np.int32, np.int32, (2, 8))
    assert words_of(ids[0]) == "[CLS] a ##b ##c [UNK] c . [SEP]"
    assert words_of(ids[1]) == "[CLS] [SEP] [PAD] [PAD] [PAD] [PAD] [PAD] [PAD]"
    assert lengths.tolist() == [8, 2]


def test_the_padding_is_the_vocabularys_own() -> None:
    reversed_tokens = Vocabulary(TOKENS[::-1], "reversed")
    assert encode(["a"], reversed_tokens, 4, "head")[0].tolist() == [[14, 12, 13, 16]]


@pytest.mark.parametrize(
    ("max_tokens", "truncation", "expected"),
    [
        (9, "head", "[CLS] 1 2 3 4 5 6 7 [SEP]"),
        (8, "head", "[CLS] 1 2 3 4 5 6 [SEP]"),
        (9, "head+tail", "[CLS] 1 2 3 4 5 6 7 [SEP]"),
        (8, "head+tail", "[CLS] 1 2 3 5 6 7 [SEP]"),
        (7, "head+tail", "[CLS] 1 2 5 6 7 [SEP]"),
        (3, "head+tail", "[CLS] 7 [SEP]"),
        (3, "head", "[CLS] 1 [SEP]"),
    ],
)
def test_what_is_kept_of_a_long_text(max_tokens: int, truncation: str, expected: str) -> None:
    ids, lengths = encode(["1 2 3 4 5 6 7"], SMALL, max_tokens, truncation)
    assert words_of(ids[0]) == expected
    assert lengths.tolist() == [max_tokens]


def test_lengths_and_truncations_that_cannot_be() -> None:
    with pytest.raises(UserError, match="at least 3"):
        encode(["a"], SMALL, 2, "head")
    with pytest.raises(UserError, match=r"no truncation 'tail'; choose one of: head, head\+tail"):
        encode(["a"], SMALL, 8, "tail")


def test_no_text_at_all() -> None:
    ids, lengths = encode([], SMALL, 8, "head")
    assert (ids.shape, lengths.shape) == ((0, 8), (0,))


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a b", "", "c" * 30, "b", "1 2 3 " * 10, "a"] * 5
    whole = encode(texts, SMALL, 8, "head+tail")
    monkeypatch.setattr(encoder, "CHUNK_TEXTS", 3)
    monkeypatch.setattr(encoder, "CHUNK_CHARACTERS", 20)
    sizes = [len(chunk) for chunk in encoder.chunks(texts)]
    assert sum(sizes) == len(texts)
    assert set(sizes) == {1, 2, 3}
    for ours, expected in zip(encode(texts, SMALL, 8, "head+tail"), whole, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_a_megabyte_of_text_in_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "CHUNK_CHARACTERS", 1000)
    ids, lengths = encode(["a b " * (1 << 18), "b"], SMALL, 6, "head+tail")
    assert words_of(ids[0]) == "[CLS] a b a b [SEP]"
    assert lengths.tolist() == [6, 3]


def test_a_tokenised_store(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["a b", "c c c c c c", "zebra", ""], [0, 1, 2, 0])
    calls: list[tuple[str, int, int]] = []
    made = tokenised(store, SMALL, 0, 6, "head", tmp_path / "tokens", lambda *call: calls.append(call))
    made = open_store(made.path, checksums=True)
    assert made.tokens is not None and made.lengths is not None
    expected_ids, expected_lengths = encode(strings(store.text), SMALL, 6, "head")
    np.testing.assert_array_equal(made.tokens, expected_ids)
    np.testing.assert_array_equal(made.lengths, expected_lengths)
    assert made.max_tokens == 6
    assert made.image_size is None
    assert (made.name, made.classes, made.counts()) == (store.name, store.classes, store.counts())
    np.testing.assert_array_equal(made.labels, store.labels)
    assert strings(made.names) == strings(store.names)
    assert strings(made.text) == ["a b", "c c c c c c", "zebra", ""]
    assert load_vocabulary(str(made.path / "vocab.txt")).tokens == TOKENS
    assert made.manifest["source"] == {
        "path": "somewhere",
        "seed": 3,
        "vocabulary": "small",
        "vocabulary_digest": SMALL.digest,
        "vocabulary_size": len(TOKENS),
        "max_tokens": 6,
        "truncation": "head",
        "tokenised_from": store.digest,
    }
    assert made.manifest["tokens"] == {"truncated": 1 / 4, "unknown": 1 / 7}
    assert made.manifest["rejected"] == store.manifest["rejected"]
    assert "resize_filter" not in made.manifest
    assert calls[-1] == ("tokens", 4, 4)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_several_labels_a_document(tmp_path: Path) -> None:
    labels = np.array([[1, 0], [1, 1]], np.uint8)
    made = tokenised(text_store(tmp_path / "s", ["a", "b"], labels=labels), SMALL, 0, 4, "head", tmp_path / "t")
    assert made.multi_label
    np.testing.assert_array_equal(made.labels, labels)


def test_two_runs_give_the_same_store(tmp_path: Path) -> None:
    texts = [f"{word}ing {word}ed the" for word in ("work", "walk", "talk", "bark", "park")] * 4
    store = text_store(tmp_path / "store", texts)
    digests = {tokenised(store, None, 60, 8, "head", tmp_path / name).digest for name in ("one", "two")}
    assert len(digests) == 1


def test_a_store_is_reused_and_no_other_is_overwritten(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["a b", "c"])
    first = tokenised(store, SMALL, 0, 6, "head", tmp_path / "tokens")
    written = (first.path / "tokens.npy").stat().st_mtime_ns
    again = tokenised(store, SMALL, 0, 6, "head", tmp_path / "tokens", lambda *call: pytest.fail("encoded again"))
    assert again.digest == first.digest
    assert (first.path / "tokens.npy").stat().st_mtime_ns == written
    other_splits = store.with_splits(np.array([0, 2], np.int8))
    for source, vocabulary, max_tokens, truncation in (
        (store, SMALL, 7, "head"),
        (store, SMALL, 6, "head+tail"),
        (store, Vocabulary((*TOKENS, "d"), "small"), 6, "head"),
        (other_splits, SMALL, 6, "head"),
        (store, None, 6, "head"),
    ):
        with pytest.raises(UserError, match="made from another store, vocabulary or length"):
            tokenised(source, vocabulary, 0, max_tokens, truncation, tmp_path / "tokens")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="not a prepared store"):
        tokenised(store, SMALL, 0, 6, "head", tmp_path / "folder")


def test_the_vocabulary_is_trained_on_the_training_split_alone(tmp_path: Path) -> None:
    texts = ["apple apple apple", "zebra zebra zebra", "quince quince quince"]
    made = tokenised(text_store(tmp_path / "store", texts, [0, 1, 2]), None, 200, 8, "head", tmp_path / "tokens")
    tokens = load_vocabulary(str(made.path / "vocab.txt")).tokens
    assert "apple" in tokens
    assert not {"z", "##z", "zebra", "q", "quince"} & set(tokens)
    assert made.manifest["source"]["vocabulary"] == "trained"


def test_splits_dealt_out_anew_are_the_ones_written(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["apple apple", "zebra zebra"], [0, 1])
    made = tokenised(store.with_splits(np.array([1, 0], np.int8)), None, 200, 8, "head", tmp_path / "tokens")
    assert made.split_codes.tolist() == [1, 0]
    assert made.manifest["counts"] == made.counts()
    assert "zebra" in load_vocabulary(str(made.path / "vocab.txt")).tokens


def test_a_store_without_text(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["a"], stem="notes")
    with pytest.raises(UserError, match=r"holds no text; .*--ocr"):
        tokenised(store, SMALL, 0, 6, "head", tmp_path / "tokens")


def test_nothing_is_left_of_a_failure(tmp_path: Path) -> None:
    store = text_store(tmp_path / "store", ["", " "])
    with pytest.raises(UserError, match="have no text"):
        tokenised(store, None, 100, 6, "head", tmp_path / "out" / "tokens")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_copy_where_links_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = text_store(tmp_path / "store", ["a"])
    made = tokenised(store, SMALL, 0, 6, "head", tmp_path / "tokens")
    assert open_store(made.path, checksums=True).text is not None
    assert not (made.path / "text.utf8").samefile(store.path / "text.utf8")


def test_pages_and_words_stay_beside_the_tokens_where_a_network_reads_them(tmp_path: Path) -> None:
    plain = prepare(synthetic.source(24), tmp_path / "plain", 32).store
    texts = text_store(tmp_path / "texts", [f"a b {row}" for row in range(24)], [0] * 16 + [1] * 4 + [2] * 4)
    both = tmp_path / "both"
    shutil.copytree(plain.path, both)
    for name in string_files(TEXT):
        shutil.copy(texts.path / name, both / name)
    write_words(
        both, [(np.array([[0, 1]], np.int32), np.array([[1, 2, 3, 4]], np.uint16), np.array([9], np.uint8))] * 24
    )
    manifest = json.loads((both / MANIFEST).read_text())
    added = [*string_files(TEXT), *WORD_FILES]
    manifest["sha256"] |= {name: file_sha256(both / name) for name in added}
    manifest["bytes"] |= {name: (both / name).stat().st_size for name in added}
    (both / MANIFEST).write_text(json.dumps(manifest))

    alone = tokenised(open_store(both), SMALL, 0, 8, "head", tmp_path / "alone")
    assert alone.pixels is None and read_words(alone) is None
    kept = tokenised(open_store(both), SMALL, 0, 8, "head", tmp_path / "kept", with_pages=True)
    assert kept.pixels is not None and plain.pixels is not None
    assert np.array_equal(kept.pixels, plain.pixels)
    words = read_words(kept)
    assert words is not None and words.page(3)[0].box == (1, 2, 3, 4)
    assert np.array_equal(kept.tokens, alone.tokens)
    assert kept.digest != alone.digest
    again = open_store(tmp_path / "kept", checksums=True)
    assert (again.image_size, again.max_tokens) == (32, 8)
