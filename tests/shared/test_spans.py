"""Spans: similarity of answers, the likeliest span, the surest of a question's windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from shared.store import ANSWERS, DOCUMENTS, GROUPS, NO_LABEL, QUESTION_LENGTHS, TOKEN_WORDS, Store
from shared.task import Counts, added
from shared.tasks import spans, task, tasks_of_store
from shared.tasks.spans import best_spans, similarity
from tests import row_stores, tiny_layout

SPANS = task("spans")
WORKLOAD = tiny_layout.workload(task="spans", model__num_classes=2)
WIDE = tiny_layout.TOKENS_WIDE
TEXTS = ["one two Three four five six", "alpha beta gamma", "red green blue"]
QUESTIONS = [
    [{"text": "which?", "answers": ["three FOUR", "nothing"]}, {"text": "what?", "answers": ["elsewhere"]}],
    [{"text": "unknown?", "answers": []}],
    [{"text": "colour?", "answers": ["greem"]}],
]


@pytest.mark.parametrize(
    ("given", "answers", "expected"),
    [
        ("Paris", ["paris"], 1.0),
        ("  new \t YORK ", ["New York"], 1.0),
        ("newyork", ["new york"], 1 - 1 / 8),
        ("ab", ["ac"], 0.5),  # one half counts
        ("abcd", ["abxy"], 0.5),
        ("abcde", ["abxyz"], 0.0),  # 0.4 does not
        ("a" * 49 + "b" * 51, ["a" * 100], 0.0),
        ("a" * 51 + "b" * 49, ["a" * 100], 0.51),
        ("abcd", ["abxx", "abcx", "x"], 0.75),  # of several, the most similar
        ("", ["a"], 0.0),
        ("", [""], 1.0),
        (" ", ["", "a"], 1.0),
        ("a", [], 0.0),
    ],
)
def test_similarity(given: str, answers: list[str], expected: float) -> None:
    assert similarity(given, answers) == pytest.approx(expected, abs=1e-15)


def distance(left: str, right: str) -> int:
    """Levenshtein's, by its recurrence."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def test_similarity_of_random_answers() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(500):
        given, *answers = ("".join(rng.choice(list("abc"), rng.integers(1, 9))) for _ in range(3))
        best = max(1 - distance(given, answer) / max(len(given), len(answer)) for answer in answers)
        assert similarity(given, answers) == pytest.approx(best if best >= 0.5 else 0.0, abs=1e-15)
        seen.add(0 if best < 0.5 else 1 if best == 0.5 else 2)
    assert seen == {0, 1, 2}


def brute_force(logits: np.ndarray, words: np.ndarray) -> tuple[float, int, int]:
    """Every span of a row's words, one by one."""
    best = -np.inf, 0, 0
    for begin in range(len(words)):
        for end in range(begin, min(begin + spans.LONGEST_ANSWER, len(words))):
            score = float(logits[begin, 0]) + float(logits[end, 1])
            if words[begin] >= 0 and words[end] >= 0 and score > best[0]:
                best = score, begin, end
    return best[0] - float(logits[0, 0]) - float(logits[0, 1]), best[1], best[2]


@pytest.mark.parametrize(("width", "longest"), [(80, 64), (30, 5), (30, 64), (9, 1)])
def test_the_best_span_is_that_of_all_of_them(monkeypatch: pytest.MonkeyPatch, width: int, longest: int) -> None:
    monkeypatch.setattr(spans, "LONGEST_ANSWER", longest)
    rng = np.random.default_rng(width)
    count = 20
    logits = rng.standard_normal((count, width, 2)).astype(np.float32)
    words = np.full((count, width), -1)
    for row in range(count):
        begin, end = np.sort(rng.choice(np.arange(1, width), 2, replace=False))
        words[row, begin:end] = np.arange(end - begin) // 2
    logits[0, words[0] < 0] += 100.0  # the question's own tokens are no answer
    score, begin, end = best_spans(logits, words)
    for row in range(count):
        assert (score[row], begin[row], end[row]) == pytest.approx(brute_force(logits[row], words[row]), rel=1e-12)
    assert (words[np.arange(count), begin] >= 0).all() and (words[np.arange(count), end] >= 0).all()


def test_an_answer_is_no_longer_than_the_longest() -> None:
    words = np.arange(100)[None] - 1
    for length, found in ((spans.LONGEST_ANSWER, True), (spans.LONGEST_ANSWER + 1, False)):
        logits = np.zeros((1, 100, 2), np.float32)
        logits[0, 10, 0] = logits[0, 10 + length - 1, 1] = 5.0
        score, begin, end = best_spans(logits, words)
        assert ((begin[0], end[0]) == (10, 10 + length - 1)) == found
        assert score[0] == (10.0 if found else 5.0)
        assert begin[0] <= end[0] < begin[0] + spans.LONGEST_ANSWER


def test_the_first_token_is_not_behind_the_last() -> None:
    logits = np.zeros((1, 6, 2), np.float32)
    logits[0, 4, 0] = logits[0, 2, 1] = 5.0
    _, begin, end = best_spans(logits, np.array([[-1, 0, 1, 2, 3, -1]]))
    assert begin[0] <= end[0]


def test_a_row_without_words_has_no_span() -> None:
    score, begin, end = best_spans(np.zeros((1, 4, 2), np.float32), np.full((1, 4), -1))
    assert (score[0], begin[0], end[0]) == (-np.inf, 0, 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three documents with two, one and one questions; the first question is asked of two windows, words 0 to 3 and 2
    to 5, whose tokens begin behind a question of two."""
    words = row_stores.framed([4, 4, 6, 3, 3], begin=4)
    words[1, 4:8] += 2
    answers = [(6, 7), (4, 5), (0, 0), (NO_LABEL, NO_LABEL), (5, 5)]
    arrays = {
        DOCUMENTS: np.array([0, 0, 0, 1, 2], np.int32),
        GROUPS: np.array([0, 0, 1, 2, 3], np.int32),
        TOKEN_WORDS: words,
        ANSWERS: np.array(answers, np.int32),
        QUESTION_LENGTHS: np.full(5, 4, np.int32),
    }
    folder: Path = tmp_path_factory.mktemp("spans") / "store"
    return row_stores.make_store(folder, arrays, TEXTS, QUESTIONS)


def saying(*said: tuple[int, int, float]) -> np.ndarray:
    """Logits of rows: first and last token of the span that is the likeliest, and by how much it is above [CLS]."""
    logits = np.full((len(said), WIDE, 2), -20.0, np.float32)
    logits[:, 0] = 0.0
    for row, (begin, end, score) in enumerate(said):
        logits[row, begin, 0] = logits[row, end, 1] = score / 2
    return logits


def counted(store: Store, logits: np.ndarray, order: Sequence[Sequence[int]]) -> Counts:
    tally = SPANS.tally(store, WORKLOAD)
    for rows in order:
        tally.add(logits[list(rows)], np.array(rows, np.int64))
    return tally.counts()


RIGHT = ((6, 7, 3.0), (4, 5, 4.0), (4, 4, -2.0), (4, 6, 9.0), (5, 5, 1.0))


def test_right_answers(store: Store) -> None:
    logits = saying(*RIGHT)
    counts = counted(store, logits, [[0, 1, 2, 3, 4]])
    # "three four", of a question without an answer in the text "one", of a colour "green" where "greem" is right
    assert (counts["samples"], counts["exact"]) == (3, 1)
    assert counts["similarity"] == pytest.approx(1.0 + 0.0 + 0.8)
    assert SPANS.scores(counts) == pytest.approx({"anls": 0.6, "exact": 1 / 3})
    exact = log_softmax(logits.astype(np.float64), 1)
    ends = [(6, 7), (4, 5), (0, 0), None, (5, 5)]
    losses = [-(exact[row, e[0], 0] + exact[row, e[1], 1]) / 2 for row, e in enumerate(ends) if e]
    assert counts["loss"] == pytest.approx(sum(losses), rel=1e-12)


@pytest.mark.parametrize(("first", "second", "similar"), [(3.0, 2.0, 1.0), (2.0, 3.0, 0.0), (-5.0, -6.0, 1.0)])
def test_the_surest_window_answers(store: Store, first: float, second: float, similar: float) -> None:
    """By its distance from "no answer here", which a window's scale may hide."""
    logits = saying((6, 7, first), (7, 7, second))  # "three four", "six"
    logits[1] += 50.0
    for order in ([[0, 1]], [[1], [0]]):
        counts = counted(store, logits, order)
        assert (counts["samples"], counts["similarity"]) == (1, similar)


def test_questions_without_answers_are_not_counted(store: Store) -> None:
    logits = saying(*RIGHT)
    only = counted(store, logits, [[3]])
    assert (only["samples"], only["loss"]) == (0, 0.0)
    assert SPANS.scores(only) == {}
    without, beside = counted(store, logits, [[0, 1, 2, 4]]), counted(store, logits, [[0, 1, 2, 3, 4]])
    assert without == pytest.approx(beside, rel=1e-12)


def test_a_question_whose_answer_is_not_in_the_text_is_counted(store: Store) -> None:
    assert counted(store, saying(*RIGHT), [[2]])["samples"] == 1


def test_parts_of_a_split_add_up(store: Store) -> None:
    logits = np.random.default_rng(0).standard_normal((5, WIDE, 2)).astype(np.float32)
    whole = counted(store, logits, [[0, 1, 2, 3, 4]])
    parts = counted(store, logits, [[0, 1], [3]]), counted(store, logits, [[4, 2]])  # a replica has all of a question
    assert added(*parts) == pytest.approx(whole, rel=1e-12)


def test_decisions_are_about_the_rows_that_hold_their_answer(store: Store) -> None:
    decisions = SPANS.decisions(store, WORKLOAD, saying(*RIGHT), np.arange(5))
    assert decisions.labels.tolist() == [6 * WIDE + 7, 4 * WIDE + 5, 5 * WIDE + 5]
    assert SPANS.right(decisions).all()


def test_labels_and_what_the_task_finds_in_the_store(store: Store) -> None:
    labels = SPANS.labels(store, np.array([4, 3]), 3, 2)
    assert labels.dtype == np.int32
    assert labels.tolist() == [[5, 5], [NO_LABEL] * 2, [NO_LABEL] * 2]
    assert tasks_of_store(store)[0] == "spans"
    assert SPANS.outputs(store) == 2
