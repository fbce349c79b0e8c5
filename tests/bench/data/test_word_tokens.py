"""Stores of whole words: ids, lengths, vocabulary, vectors, and the way that a run gets there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.data.tokens import tokenised
from bench.data.vectors import open_vectors
from bench.data.vocabulary_files import Vocabulary
from bench.data.word_tokens import word_tokenised
from bench.run import stores
from bench.run.stores import resolve_store
from shared import session, spec
from shared.errors import UserError
from shared.families import family_of
from shared.modalities import Words
from shared.spec import Workload
from shared.store import MANIFEST, Store, open_store
from shared.store_facts import StoreFacts
from shared.word_weights import STATIC, TRAINED
from tests import tiny, tiny_words
from tests.text_stores import text_store

TEXTS = ["It rose. It fell! Mills rose", "it did. Why?", "", "it rose (twice)", "zebras fell"]
SPLITS = [0, 0, 0, 1, 2]
ONE_ROW = Words(4, 100)


def store_of(tmp_path: Path, texts: list[str] = TEXTS, splits: list[int] = SPLITS) -> Store:
    return text_store(tmp_path / "texts", texts, splits)


def words_in(store: Store) -> list[str]:
    return (store.path / "vocab.txt").read_text().splitlines()


def rows_of(store: Store) -> list[str]:
    assert store.tokens is not None
    names = words_in(store)
    return [" ".join(names[number] for number in row) for row in store.tokens]


def test_a_text_as_one_row(tmp_path: Path) -> None:
    made = word_tokenised(store_of(tmp_path), ONE_ROW, None, tmp_path / "words")
    made = open_store(made.path, checksums=True)
    assert words_in(made) == ["[PAD]", "[UNK]", "it", "rose", "did", "fell!", "mills", "why?"]
    assert rows_of(made) == [
        "it rose it fell!", "it did why? [PAD]", "[UNK] [PAD] [PAD] [PAD]", "it rose [UNK] [PAD]",
        "[UNK] [UNK] [PAD] [PAD]",
    ]  # fmt: skip
    assert made.lengths is not None and made.tokens is not None
    assert made.lengths.tolist() == [4, 3, 1, 3, 2]
    assert (made.tokens.dtype, made.lengths.dtype) == (np.int32, np.int32)
    assert (made.sentences, made.max_tokens, made.vectors, made.image_size) == (0, 4, None, None)
    assert made.manifest["tokens"] == {"truncated": 1 / 5, "unknown": 3 / 12}
    source = made.manifest["source"]
    assert (source["vocabulary_size"], source["tokenised_from"]) == (8, store_digest(tmp_path))


def store_digest(tmp_path: Path) -> str:
    return open_store(tmp_path / "texts").digest


def test_a_text_as_sentences(tmp_path: Path) -> None:
    made = word_tokenised(store_of(tmp_path), Words(2, 100, sentences=3), None, tmp_path / "words")
    assert rows_of(made)[:3] == [
        "it rose it fell [PAD] [PAD]", "it did why [PAD] [PAD] [PAD]", "[UNK] [PAD] [PAD] [PAD] [PAD] [PAD]",
    ]  # fmt: skip
    assert made.lengths is not None
    assert made.lengths.tolist() == [4, 3, 1, 2, 2]
    assert made.manifest["tokens"]["truncated"] == 2 / 5
    assert (made.sentences, made.max_tokens) == (3, 6)


def test_a_vocabulary_is_the_most_frequent_of_the_training_split(tmp_path: Path) -> None:
    made = word_tokenised(store_of(tmp_path), Words(4, 4), None, tmp_path / "words")
    assert words_in(made) == ["[PAD]", "[UNK]", "it", "rose"]


def vectors_file(tmp_path: Path, more: str = "") -> Path:
    path = tmp_path / "vectors.txt"
    path.write_text(f"rose 1 2 3\nzebras 4 5 6\nit 7 8 9\ndid 0.5 0.25 1\n{more}")
    return path


def test_with_vectors_only_words_that_have_one_are_known(tmp_path: Path) -> None:
    vectors = open_vectors(vectors_file(tmp_path))
    made = open_store(word_tokenised(store_of(tmp_path), ONE_ROW, vectors, tmp_path / "words").path, checksums=True)
    assert words_in(made) == ["[PAD]", "[UNK]", "it", "rose", "did"]
    assert made.vectors is not None
    assert (made.vectors.dtype, made.vectors.shape) == (np.float32, (5, 3))
    assert made.vectors[0].tolist() == [0.0] * 3
    assert 0 < np.abs(made.vectors[1]).max() <= 0.25
    assert made.vectors[2:].tolist() == [[7, 8, 9], [1, 2, 3], [0.5, 0.25, 1]]
    source = made.manifest["source"]
    assert (source["vectors"], source["vectors_digest"], source["vector_size"]) == ("vectors.txt", vectors.digest, 3)
    fewer = word_tokenised(open_store(tmp_path / "texts"), Words(4, 3), vectors, tmp_path / "fewer")
    assert words_in(fewer) == ["[PAD]", "[UNK]", "it"]
    assert fewer.vectors is not None and fewer.vectors[2].tolist() == [7, 8, 9]


def test_vectors_of_no_word(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("Haus 1 2 3\n")
    with pytest.raises(UserError, match=r"vectors.txt: has a vector of not one of 6 words"):
        word_tokenised(store_of(tmp_path), ONE_ROW, open_vectors(path), tmp_path / "words")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["texts", "vectors.txt"]


def test_a_store_is_reused_and_no_other_is_overwritten(tmp_path: Path) -> None:
    store, vectors = store_of(tmp_path), open_vectors(vectors_file(tmp_path))
    first = word_tokenised(store, ONE_ROW, vectors, tmp_path / "words")
    again = word_tokenised(store, ONE_ROW, vectors, tmp_path / "words", lambda *call: pytest.fail("made again"))
    assert again.digest == first.digest
    other_vectors = open_vectors(vectors_file(tmp_path, "fell 1 1 1\n"))
    for read, given in (
        (Words(5, 100), vectors),
        (Words(4, 99), vectors),
        (Words(2, 100, 2), vectors),
        (ONE_ROW, None),
        (ONE_ROW, other_vectors),
    ):
        with pytest.raises(UserError, match="made from another store, vocabulary, length or word vectors"):
            word_tokenised(store, read, given, tmp_path / "words")


def test_stores_that_have_no_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no text"):
        word_tokenised(text_store(tmp_path / "notes", ["a"], stem="notes"), ONE_ROW, None, tmp_path / "words")
    with pytest.raises(UserError, match="the training documents have no words"):
        word_tokenised(text_store(tmp_path / "empty", ["", " ... "]), ONE_ROW, None, tmp_path / "words")
    assert not (tmp_path / "words").exists()


def test_pieces_of_words_from_a_store_of_whole_ones_are_no_whole_words(tmp_path: Path) -> None:
    words = word_tokenised(store_of(tmp_path), ONE_ROW, open_vectors(vectors_file(tmp_path)), tmp_path / "words")
    tokens = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "it", "rose")
    made = tokenised(words, Vocabulary(tokens, "small"), 0, 4, "head", tmp_path / "pieces")
    assert (made.sentences, made.vectors) == (None, None)
    assert not {"vectors", "vector_size", "sentences"} & set(made.manifest["source"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (np.zeros((4, 3), np.float32), "float32 of"),
        (np.zeros((5, 3), np.float64), "float32 of"),
        (np.ones((5, 3), np.float32), "vector of the padding that is not 0"),
        (np.array([[0] * 3, *[[np.nan] * 3] * 4], np.float32), "not finite"),
    ],
)
def test_vectors_that_are_not_the_vocabularys(tmp_path: Path, damage: np.ndarray, message: str) -> None:
    made = word_tokenised(store_of(tmp_path), ONE_ROW, open_vectors(vectors_file(tmp_path)), tmp_path / "words")
    path = made.path / "vectors.npy"
    path.unlink()
    np.save(path, damage)
    manifest = json.loads((made.path / MANIFEST).read_text())
    manifest["bytes"][path.name] = path.stat().st_size
    manifest["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (made.path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=message):
        open_store(made.path, checksums=True)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stores, "kept_stores", lambda: tmp_path / "kept")
    return tmp_path / "kept"


def workload(**changes: object) -> Workload:
    return tiny_words.workload("kim-cnn", **changes)


def resolved(tmp_path: Path, settings: Workload, vectors: Path | None = None, dry_run: bool = False) -> StoreFacts:
    named = None if vectors is None else str(vectors)
    return resolve_store(str(tmp_path / "texts"), settings, dry_run, lambda _: None, vectors=named)


def test_a_run_makes_its_words_once_and_knows_its_vectors(tmp_path: Path, results: Path) -> None:
    store_of(tmp_path)
    path = vectors_file(tmp_path)
    planned = resolved(tmp_path, workload(), path, dry_run=True)
    assert planned.digest == "not made yet" and not results.exists()
    assert planned.vector_size == 3
    random, given = resolved(tmp_path, workload()), resolved(tmp_path, workload(), path)
    assert (random.vector_size, given.vector_size, given.vocabulary_size) == (None, 3, 5)
    assert random.digest != given.digest
    assert resolved(tmp_path, workload(), path) == given
    other = resolved(tmp_path, workload(), vectors_file(tmp_path, "mills 1 1 1\n"))
    assert other.path != given.path and other.digest != given.digest
    assert resolve_store(given.path, workload(), False, lambda _: None) == given


def test_a_workload_without_words_takes_no_vectors(tmp_path: Path, results: Path) -> None:
    store_of(tmp_path)
    for name, what in (("bert-6l", "pieces of words"), ("effnet-b0", "pages, not whole words")):
        with pytest.raises(UserError, match=rf"--vectors: {name} reads {what}"):
            resolved(tmp_path, spec.load(name, "quick"), vectors_file(tmp_path))
    with pytest.raises(UserError, match=r"--vocab: kim-cnn reads whole words"):
        resolve_store(str(tmp_path / "texts"), workload(), False, lambda _: None, "vocab.txt")
    with pytest.raises(UserError, match=r"--vectors .*absent.txt: no such file"):
        resolved(tmp_path, workload(), tmp_path / "absent.txt")
    assert not results.exists()


@pytest.mark.parametrize("static", [True, False])
def test_a_training_starts_with_the_stores_vectors(tmp_path: Path, results: Path, static: bool) -> None:
    store_of(tmp_path)
    facts = resolved(tmp_path, workload(), vectors_file(tmp_path))
    settings = workload(model__static_vectors=static)
    fitted = {key: value for key, (value, _) in family_of(settings).fit(settings, facts).items()}
    settings = settings.overridden(fitted, "test")
    cell = tiny.make_cell(tmp_path, Path(facts.path), workload=settings)
    start = session.starting_weights(cell)
    expected = open_store(facts.path).vectors
    assert expected is not None
    np.testing.assert_array_equal(start[STATIC if static else TRAINED], expected)
    without = session.starting_weights(replace(cell, store=resolved(tmp_path, workload()).path))
    assert not np.array_equal(without[STATIC if static else TRAINED], expected)
    assert all(np.array_equal(start[name], without[name]) for name in start if not name.startswith("embedding"))
