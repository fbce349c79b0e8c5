"""What every task promises, and each task's counts and scores against answers worked out by hand and scikit-learn's."""

from __future__ import annotations

import math
from functools import reduce
from pathlib import Path

import numpy as np
import pytest

from shared.store import Store
from shared.task import Counts, Decisions, DocumentTask, added, micro_f1
from shared.tasks import NAMES, task, task_of, task_of_store, tasks_of_store
from tests import tiny, tiny_text

LOG2 = math.log(2.0)
# the others have files of their own, those that are distilled too
DOCUMENTS = [name for name in NAMES if isinstance(task(name), DocumentTask) and task(name).distils is None]


def of_documents(name: str) -> DocumentTask:
    """A task whose samples are documents."""
    found = task(name)
    assert isinstance(found, DocumentTask)
    return found


CLASSIFICATION, LABELS = of_documents("classification"), of_documents("labels")


def some(name: str, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Logits of four classes, and labels of a task's kind."""
    rng = np.random.default_rng(0)
    several = rng.integers(0, 2, (count, 4)).astype(np.uint8)
    labels = several if task(name).several else rng.integers(0, 4, count).astype(np.int32)
    return rng.standard_normal((count, 4)).astype(np.float32), labels


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A store with labels of each task's kind."""
    folder: Path = tmp_path_factory.mktemp("tasks")
    return {
        "classification": tiny_text.make_store(folder / "one"),
        "labels": tiny_text.make_store(folder / "several", multi_label=True),
    }


def test_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown task 'haiku'; known: classification, labels, tags, spans"):
        task("haiku")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_task_is_whole(name: str) -> None:
    found = of_documents(name)
    logits, labels = some(name)
    counts = found.count(logits, labels)
    scores = found.scores(counts)
    assert found.name == name
    assert found.headline in found.metrics
    assert set(scores) == set(found.metrics)
    for metric, value in scores.items():
        low, high = found.metrics[metric].bounds
        assert low <= value <= high
    assert counts["samples"] == len(logits)
    assert all(type(value) in (int, float) for value in counts.values()), "JSON has nothing else"
    assert found.right(Decisions(found.predicted(logits), labels)).sum() == round(scores["accuracy"] * len(logits))
    assert found.probabilities(logits).shape == logits.shape
    assert 0 < found.chance(4) < 1


@pytest.mark.parametrize("name", DOCUMENTS)
def test_parts_of_a_split_add_up(name: str) -> None:
    logits, labels = some(name)
    parts = [of_documents(name).count(logits[part], labels[part]) for part in (slice(0, 3), slice(3, 3), slice(3, 10))]
    assert reduce(added, parts, Counts()) == pytest.approx(of_documents(name).count(logits, labels), rel=1e-12)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_split_without_samples_has_no_scores(name: str) -> None:
    logits, labels = some(name, 0)
    assert task(name).scores(of_documents(name).count(logits, labels)) == {}


def test_the_task_of_a_workload_and_of_a_store(noise: Store) -> None:
    assert task_of(tiny.workload()) is task_of_store(noise) is CLASSIFICATION
    assert task_of(tiny_text.workload(task="labels")) is LABELS


def test_one_label_a_sample() -> None:
    logits = np.array([[0.0, 0.0], [5.0, 5.0 + LOG2], [1.0, -40.0]], np.float32)
    counts = CLASSIFICATION.count(logits, np.array([0, 1, 1], np.int32))
    assert (counts["correct"], counts["samples"]) == (2, 3)
    assert counts["loss"] == pytest.approx(LOG2 + math.log(1.5) + 41.0, rel=1e-6)
    assert CLASSIFICATION.scores(counts) == {"accuracy": pytest.approx(2 / 3)}


def test_several_labels_a_sample() -> None:
    logits = np.array([[1.0, -1.0, 0.0], [2.0, 3.0, -2.0], [-1.0, -1.0, -1.0]], np.float32)
    counts = LABELS.count(logits, np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.uint8))
    assert (counts["correct"], counts["samples"]) == (2, 3)  # a probability of exactly one half is no label
    assert (counts["hits"], counts["predicted"], counts["relevant"]) == (2, 3, 3)
    assert LABELS.scores(counts) == pytest.approx({"f1": 2 / 3, "accuracy": 2 / 3})

    def entropy(values: list[float]) -> float:
        """Mean over labels, of the logits turned so that a positive one is right."""
        return sum(math.log1p(math.exp(-value)) for value in values) / len(values)

    expected = entropy([1.0, 1.0, 0.0]) + entropy([-2.0, 3.0, -2.0]) + entropy([1.0, 1.0, 1.0])
    assert counts["loss"] == pytest.approx(expected, rel=1e-6)


def test_logits_of_any_size_have_a_finite_loss() -> None:
    large = np.array([[1e4, -1e4]], np.float32)
    assert CLASSIFICATION.count(large, np.array([1], np.int32))["loss"] == pytest.approx(2e4)
    assert LABELS.count(large, np.array([[0, 1]], np.uint8))["loss"] == pytest.approx(1e4)
    assert np.isfinite(CLASSIFICATION.probabilities(large)).all()


def test_f1_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    truth = (rng.random((200, 7)) < 0.2).astype(np.uint8)
    logits = (rng.standard_normal((200, 7)) - 1 + 2 * truth).astype(np.float32)
    counts = LABELS.count(logits, truth)
    scores = LABELS.scores(counts)
    assert scores["f1"] == pytest.approx(sklearn.f1_score(truth, logits > 0, average="micro"), rel=1e-12)
    assert scores["accuracy"] == pytest.approx(sklearn.accuracy_score(truth, logits > 0), rel=1e-12)
    assert counts["loss"] / counts["samples"] == pytest.approx(
        np.mean([sklearn.log_loss(t, p, labels=[0, 1]) for t, p in zip(truth, 1 / (1 + np.exp(-logits)), strict=True)]),
        rel=1e-5,
    )


def test_f1_of_nothing_is_nothing() -> None:
    assert micro_f1(0, 0, 0) == 0.0
    assert micro_f1(0, 3, 0) == 0.0


def test_probabilities() -> None:
    logits = np.array([[0.0, math.log(3.0)]], np.float32)
    assert CLASSIFICATION.probabilities(logits) == pytest.approx(np.array([[0.25, 0.75]]))
    assert LABELS.probabilities(logits) == pytest.approx(np.array([[0.5, 0.75]]))
    assert LABELS.probabilities(logits).dtype == np.float32


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_store_has_labels_of_its_task_alone(name: str, stores: dict[str, Store]) -> None:
    assert tasks_of_store(stores[name]) == (name,)
    assert task_of_store(stores[name]).name == name


@pytest.mark.parametrize("name", DOCUMENTS)
def test_labels_are_the_stores_and_rows_behind_them_zero(name: str, stores: dict[str, Store]) -> None:
    found, store, samples = of_documents(name), stores[name], np.array([7, 2])
    labels = found.labels(store, samples, 3, 4)
    assert labels.dtype == (np.float32 if found.several else np.int32)
    assert labels.shape == ((3, 4) if found.several else (3,))
    assert np.array_equal(labels[:2], store.labels[samples])
    assert not labels[2].any()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_predicted_is_right_where_it_is_the_label(name: str, stores: dict[str, Store]) -> None:
    found = of_documents(name)
    logits = np.array([[2.0, -1.0, -3.0, -0.5], [-1.0, 0.5, 3.0, -2.0]], np.float32)
    predicted = found.predicted(logits)
    assert predicted.dtype == np.int64
    assert predicted.tolist() == ([[1, 0, 0, 0], [0, 1, 1, 0]] if found.several else [0, 2])
    labels = predicted.astype(stores[name].labels.dtype)
    assert found.right(Decisions(predicted, labels)).tolist() == [True, True]
    other = labels.copy()
    other[1] = 1 - other[1] if found.several else 0
    assert found.right(Decisions(predicted, other)).tolist() == [True, False]


@pytest.mark.parametrize(("name", "share"), [("classification", 0.25), ("labels", 0.0625)])
def test_guessing(name: str, share: float) -> None:
    assert task(name).chance(4) == share
