"""The text baselines: known answers, Reuters as DocBERT reports it, and `bench baseline`."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bench.accuracy import baselines
from bench.accuracy.baselines import (
    LOGISTIC_REGRESSION,
    MAJORITY,
    SUPPORT_VECTORS,
    BaselineScore,
    majority_baseline,
    store_scores,
    tfidf_scores,
)
from bench.cli.baseline import command, published_scores
from bench.host.locations import PROJECT_ROOT
from bench.show import papers
from bench.show.papers import published
from shared.errors import UserError
from shared.store import (
    LABELS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    STORE_SCHEMA,
    TEXT,
    Store,
    file_sha256,
    open_store,
    string_files,
    write_strings,
)
from tests import golden

REUTERS = PROJECT_ROOT.parent / "shared" / "data" / "reuters"
WORDS = ("wheat harvest grain", "crude barrel refinery", "gold ounce mine")


def documents(count: int, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Documents of one to three topics, whose words they have; labels uint8, count x 3."""
    labels = (np.random.default_rng(seed).random((count, 3)) < 0.4).astype(np.uint8)
    labels[np.arange(count), np.arange(count) % 3] = 1
    texts = [" and ".join(words for words, has in zip(WORDS, row, strict=True) if has) for row in labels]
    return texts, labels


def make_store(path: Path, labels: np.ndarray, texts: list[str] | None, splits: list[int]) -> Store:
    """A store of text, or of nothing but labels."""
    path.mkdir()
    np.save(path / LABELS, labels)
    np.save(path / SPLIT_CODES, np.array(splits, np.int8))
    write_strings(path, NAMES, [str(number) for number in range(len(labels))])
    files = [LABELS, SPLIT_CODES, *string_files(NAMES)]
    if texts is not None:
        write_strings(path, TEXT, texts)
        files += string_files(TEXT)
    manifest = {
        "schema": STORE_SCHEMA,
        "name": "corpus",
        "image_size": None,
        "count": len(labels),
        "classes": ["grain", "oil", "gold"],
        "sha256": {name: file_sha256(path / name) for name in files},
        "bytes": {name: (path / name).stat().st_size for name in files},
    }
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path)


@pytest.fixture
def corpus(tmp_path: Path) -> Store:
    """Sixty documents of several labels: forty to train, five to validate, fifteen to test."""
    texts, labels = documents(60)
    return make_store(tmp_path / "store", labels, texts, [0] * 40 + [1] * 5 + [2] * 15)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model takes any time."""

    def scores(store: Store) -> dict[str, list[BaselineScore]]:
        return {part: [replace(score, seconds=0.0) for score in own] for part, own in store_scores(store).items()}

    monkeypatch.setattr(baselines, "store_scores", scores)


def test_topics_that_words_give_away_are_learnt() -> None:
    (train, train_labels), (test, test_labels) = documents(60), documents(20, seed=1)
    scores = {score.name: score for score in tfidf_scores(train, train_labels, test, test_labels)}
    assert set(scores) == {LOGISTIC_REGRESSION, SUPPORT_VECTORS}
    assert scores[SUPPORT_VECTORS].f1 == 1.0
    assert scores[LOGISTIC_REGRESSION].f1 > 0.9
    assert all(score.seconds > 0 for score in scores.values())


def test_one_label_a_document_gives_the_accuracy() -> None:
    texts, labels = [WORDS[number % 3] for number in range(30)], np.arange(30, dtype=np.int32) % 3
    wrong = labels[:10].copy()
    wrong[:4] = (wrong[:4] + 1) % 3  # four of ten test labels are not what the words say
    for score in tfidf_scores(texts, labels, texts[:10], wrong):
        assert (score.f1, score.precision, score.recall) == pytest.approx((0.6, 0.6, 0.6))


def test_equal_input_gives_equal_scores() -> None:
    (train, train_labels), (test, test_labels) = documents(60), documents(40, seed=2)
    test[::5] = ["wheat barrel"] * 8
    first, second = (
        [(score.name, score.f1) for score in tfidf_scores(train, train_labels, test, test_labels)] for _ in range(2)
    )
    assert first == second


def test_a_label_that_only_the_test_documents_have_lowers_recall_without_a_warning() -> None:
    train, train_labels = documents(30)
    train_labels[:, 2] = 0
    test_labels = np.tile(np.array([[1, 0, 1]], np.uint8), (4, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = tfidf_scores(train, train_labels, [WORDS[0]] * 4, test_labels)
    assert {score.recall for score in scores} == {0.5}


def test_majority_of_several_labels() -> None:
    train = np.array([[1, 0], [1, 1], [1, 0]], np.uint8)
    score = majority_baseline(train, np.array([[1, 0], [1, 1], [0, 1], [0, 1]], np.uint8))
    assert score.name == MAJORITY
    assert (score.precision, score.recall) == (2 / 4, 2 / 5)
    assert score.f1 == pytest.approx(2 * 0.5 * 0.4 / 0.9)


def test_majority_counts_more_labels_than_a_byte_holds() -> None:
    train = np.zeros((300, 2), np.uint8)
    train[:, 0], train[:50, 1] = 1, 1  # 300 mod 256 is 44
    assert majority_baseline(train, np.array([[1, 0]], np.uint8)).f1 == 1.0


def test_majority_of_one_label() -> None:
    score = majority_baseline(np.array([2, 2, 0]), np.array([2, 0, 0, 1]))
    assert (score.f1, score.precision, score.recall) == (0.25, 0.25, 0.25)


def test_nothing_to_learn_from_is_an_error() -> None:
    texts, labels = documents(4)
    with pytest.raises(UserError, match="no words to learn from"):
        tfidf_scores(["", " ", "!", "?"], labels, texts, labels)
    with pytest.raises(UserError, match="all of one class"):
        tfidf_scores(texts, np.zeros(4, np.int32), texts, np.zeros(4, np.int32))


def test_a_store_is_scored_with_and_without_its_validation_part(corpus: Store) -> None:
    scores = store_scores(corpus)
    assert list(scores) == ["train", "train + val"]
    names = [LOGISTIC_REGRESSION, SUPPORT_VECTORS, MAJORITY]
    assert all([score.name for score in own] == names for own in scores.values())
    assert scores["train"][1].f1 == 1.0 > scores["train"][2].f1


@pytest.mark.usefixtures("at_once")
def test_the_command_prints_a_markdown_table(corpus: Store) -> None:
    result = CliRunner().invoke(command, ["--data", str(corpus.path)], catch_exceptions=False)
    assert result.exit_code == 0
    golden.check("baseline", result.output)


@pytest.mark.usefixtures("at_once")
def test_the_command_on_one_label_a_document_shows_the_accuracy_alone(tmp_path: Path) -> None:
    labels = np.arange(12, dtype=np.int32) % 3
    store = make_store(tmp_path / "store", labels, [WORDS[label] for label in labels], [0] * 9 + [2] * 3)
    result = CliRunner().invoke(command, ["--data", str(store.path)], catch_exceptions=False)
    golden.check("baseline-one-label", result.output)


@pytest.mark.usefixtures("at_once")
def test_the_published_figures_stand_beside_the_published_corpus_alone(
    corpus: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published_scores(corpus) == {}
    rows = papers.read_papers()
    sizes = {"documents": 60, "classes": 3}

    def as_if_reuters_were_small(folder: Path | None = None) -> list[papers.Published]:
        return [
            replace(row, value=sizes[row.metric])
            if row.system == "data set" and row.dataset == "Reuters" and row.metric in sizes
            else row
            for row in rows
        ]

    monkeypatch.setattr(papers, "read_papers", as_if_reuters_were_small)
    assert {name: row.system for name, row in published_scores(corpus).items()} == {
        LOGISTIC_REGRESSION: "LR",
        SUPPORT_VECTORS: "SVM",
    }
    result = CliRunner().invoke(command, ["--data", str(corpus.path)], catch_exceptions=False)
    golden.check("baseline-published", result.output)


def test_a_store_that_cannot_be_scored_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    texts, labels = documents(6)
    with pytest.raises(UserError, match=r"no text; make one with `bench data prepare .*--ocr"):
        store_scores(make_store(tmp_path / "textless", labels, None, [0] * 3 + [2] * 3))
    with pytest.raises(UserError, match="no documents in test"):
        store_scores(make_store(tmp_path / "untested", labels, texts, [0] * 6))


@pytest.mark.slow
@pytest.mark.skipif(not REUTERS.is_dir(), reason="Reuters-21578 is not beside the project, in shared/data/reuters")
def test_reuters_comes_out_as_docbert_reports_it() -> None:
    def read(split: str) -> list[dict]:
        return [json.loads(line) for line in (REUTERS / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]

    train, test = read("train"), read("test")
    topics = sorted({topic for row in train for topic in row["labels"]})
    labels = [
        np.array([[topic in row["labels"] for topic in topics] for row in rows], np.uint8) for rows in (train, test)
    ]
    texts = [[f"{row['title']}\n{row['body']}" for row in rows] for rows in (train, test)]
    assert (labels[0].shape, labels[1].shape) == ((7770, 90), (3019, 90))
    scores = {score.name: 100 * score.f1 for score in tfidf_scores(texts[0], labels[0], texts[1], labels[1])}
    for name, system in ((LOGISTIC_REGRESSION, "LR"), (SUPPORT_VECTORS, "SVM")):
        assert scores[name] == pytest.approx(published("docbert", system, "Reuters", "test F1").value, abs=1.5)
    majority = 100 * majority_baseline(*labels).f1
    assert majority < 40 < scores[LOGISTIC_REGRESSION] < scores[SUPPORT_VECTORS]
