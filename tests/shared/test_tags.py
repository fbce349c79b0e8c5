"""Tags: entities as conlleval counts them, windows of a document put together again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax

from shared.entities import entities
from shared.store import DOCUMENTS, NO_LABEL, TOKEN_TAGS, TOKEN_WORDS, Store
from shared.task import Counts, added
from shared.tasks import task, tasks_of_store
from shared.tasks.labels import micro_f1
from tests import row_stores, tiny_layout

Entities = set[tuple[str, int, int]]
TAGS = task("tags")
NAMES = ["O", "B-date", "I-date", "B-total", "I-total"]
O, B, I, BT, IT = range(5)  # noqa: E741
WORKLOAD = tiny_layout.workload(task="tags", model__num_classes=len(NAMES))


def conlleval(tags: Sequence[str]) -> Entities:
    """The chunks that the script of CoNLL-2003 counts, by its two tables of where a chunk ends and where one starts."""
    split = [("O", ""), *((tag[0], tag[2:]) for tag in tags), ("O", "")]
    found, start = set(), -1
    for place, ((before, kind_before), (here, kind)) in enumerate(pairwise(split)):
        other = kind_before != kind
        ends = (before, here) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")} or (before != "O" and other)
        starts = (before, here) in {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")} or (here != "O" and other)
        if ends:
            found.add((kind_before, start, place - 1))
        if starts:
            start = place
    return found


def without_an_opening_i(tags: Sequence[str]) -> Entities:
    """A mistake: an I- that follows no entity of its kind is nobody's."""
    kept, before = [], "O"
    for tag in tags:
        before = "O" if tag[0] == "I" and before[2:] != tag[2:] else tag
        kept.append(before)
    return conlleval(kept)


def random_tags(count: int) -> list[list[str]]:
    rng = np.random.default_rng(0)
    names = ["O", "O", *(f"{first}-{kind}" for first in "BI" for kind in ("a", "b", "line-item"))]
    return [[names[tag] for tag in rng.integers(0, len(names), rng.integers(0, 13))] for _ in range(count)]


def f1(of: Callable[[Sequence[str]], Entities], said: list[list[str]], right: list[list[str]]) -> float:
    pairs = [(of(given), of(wanted)) for given, wanted in zip(said, right, strict=True)]
    hits = sum(len(given & wanted) for given, wanted in pairs)
    return micro_f1(hits, sum(len(given) for given, _ in pairs), sum(len(wanted) for _, wanted in pairs))


def test_entities_are_those_of_conlleval() -> None:
    sequences = random_tags(3000)
    assert sum(bool(tags) and tags[0][0] == "I" for tags in sequences) > 300
    for tags in sequences:
        assert entities(tags) == conlleval(tags), tags


def test_an_opening_i_counts() -> None:
    sequences = random_tags(200)
    right = [tags[::-1] for tags in sequences]
    assert f1(entities, sequences, right) == f1(conlleval, sequences, right)
    assert f1(without_an_opening_i, sequences, right) != f1(conlleval, sequences, right)
    assert entities(["I-date", "O"]) == {("date", 0, 0)}
    assert without_an_opening_i(["I-date", "O"]) == set()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], set()),
        (["O", "O"], set()),
        (["B-a", "B-a"], {("a", 0, 0), ("a", 1, 1)}),
        (["B-a", "I-b", "I-b"], {("a", 0, 0), ("b", 1, 2)}),
        (["B-a", "I-a", "O", "I-a"], {("a", 0, 1), ("a", 3, 3)}),
    ],
)
def test_entities_by_hand(tags: list[str], expected: Entities) -> None:
    assert entities(tags) == expected


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Three documents: one of two windows that share words 2 and 3, one of one, one without a word."""
    words = row_stores.framed([4, 4, 3, 0])
    words[1, 1:5] += 2
    of_rows = [{0: O, 1: B, 2: I}, {3: I, 4: I, 5: BT}, {0: I, 1: O, 2: IT}, {}]
    arrays = {
        DOCUMENTS: np.array([0, 0, 1, 2], np.int32),
        TOKEN_WORDS: words,
        TOKEN_TAGS: row_stores.tags_of(words, of_rows),
    }
    folder: Path = tmp_path_factory.mktemp("tags") / "store"
    return row_stores.make_store(folder, arrays, tags=NAMES)


def tags_of(store: Store) -> np.ndarray:
    assert store.token_tags is not None
    return np.array(store.token_tags)


def counted(store: Store, logits: np.ndarray, order: Sequence[Sequence[int]]) -> Counts:
    tally = TAGS.tally(store, WORKLOAD)
    for rows in order:
        tally.add(logits[list(rows)], np.array(rows, np.int64))
    return tally.counts()


def test_an_entity_that_crosses_the_border_of_two_windows_counts_once(store: Store) -> None:
    logits = row_stores.sure(tags_of(store), len(NAMES))
    counts = counted(store, logits, [[0, 1, 2, 3]])
    assert {name: counts[name] for name in ("samples", "words", "correct")} == {"samples": 3, "words": 9, "correct": 9}
    assert (counts["hits"], counts["predicted"], counts["relevant"]) == (4, 4, 4)  # apart they would be five
    assert TAGS.scores(counts) == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}


def test_counts_by_hand(store: Store) -> None:
    said = tags_of(store)
    said[1, said[1] == BT] = IT  # still an entity of its own
    said[1, 2] = O  # word 3: the date ends there, and its end is a date of its own
    said[2, 3] = O
    logits = row_stores.sure(said, len(NAMES))
    counts = counted(store, logits, [[0, 1, 2, 3]])
    assert (counts["hits"], counts["predicted"], counts["relevant"]) == (2, 4, 4)
    assert (counts["words"], counts["correct"]) == (9, 6)
    assert TAGS.scores(counts) == pytest.approx({"f1": 0.5, "precision": 0.5, "recall": 0.5, "accuracy": 6 / 9})
    right = tags_of(store)
    scored = right != NO_LABEL
    expected = -log_softmax(logits[scored].astype(np.float64), -1)[np.arange(scored.sum()), right[scored]].sum()
    assert counts["loss"] == pytest.approx(expected, rel=1e-12)


def test_counts_depend_neither_on_the_order_nor_on_the_batches(store: Store) -> None:
    logits = np.random.default_rng(0).standard_normal((4, tiny_layout.TOKENS_WIDE, 5)).astype(np.float32)
    whole = counted(store, logits, [[0, 1, 2, 3]])
    assert counted(store, logits, [[3], [1, 2], [0]]) == pytest.approx(whole, rel=1e-12)
    parts = counted(store, logits, [[1], [0]]), counted(store, logits, [[2, 3]])  # a replica has all of a document
    assert added(*parts) == pytest.approx(whole, rel=1e-12)


def test_nothing_counted_has_no_scores(store: Store) -> None:
    assert TAGS.scores(counted(store, np.zeros((0, 1, 5), np.float32), [])) == {}
    empty = counted(store, row_stores.sure(tags_of(store), 5), [[3]])
    assert empty["samples"] == 1
    assert set(TAGS.scores(empty).values()) == {0.0}


def test_a_decision_is_a_scored_words_tag(store: Store) -> None:
    logits = row_stores.sure(tags_of(store), len(NAMES))
    decisions = TAGS.decisions(store, WORKLOAD, logits[[2, 0]], np.array([2, 0]))
    assert decisions.labels.tolist() == [I, O, IT, O, B, I]
    assert TAGS.right(decisions).all()


def test_labels_and_what_the_task_finds_in_the_store(store: Store) -> None:
    labels = TAGS.labels(store, np.array([1]), 2, 5)
    assert (labels.dtype, labels.shape) == (np.int32, (2, tiny_layout.TOKENS_WIDE))
    assert labels[0].tolist() == tags_of(store)[1].tolist()
    assert (labels[1] == NO_LABEL).all()
    assert tasks_of_store(store)[0] == "tags"
    assert TAGS.outputs(store) == len(NAMES)
