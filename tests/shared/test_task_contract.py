"""What every task has to keep: labels as its loss takes them, what is predicted and what is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared import tasks
from shared.store import Store
from shared.task import added
from tests import tiny_text

CLASSES = tiny_text.CLASSES
LOGITS = np.array([[2.0, -1.0, -3.0, -0.5], [-1.0, 0.5, 3.0, -2.0]], np.float32)

every_task = pytest.mark.parametrize("name", tasks.NAMES)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """A store with labels of each task's kind."""
    folder: Path = tmp_path_factory.mktemp("tasks")
    return {
        "classification": tiny_text.make_store(folder / "one"),
        "labels": tiny_text.make_store(folder / "several", multi_label=True),
    }


def test_an_unknown_task_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown task 'tags'; known: classification, labels"):
        tasks.task("tags")


@every_task
def test_a_task_has_its_name_and_scores_with_titles(name: str) -> None:
    task = tasks.task(name)
    assert task.name == name
    assert task.headline in task.metrics
    assert all(metric.title for metric in task.metrics.values())
    assert tasks.task_of(tiny_text.workload(task=name)) is task


@every_task
def test_a_store_has_labels_of_its_task_alone(name: str, stores: dict[str, Store]) -> None:
    assert tasks.tasks_of_store(stores[name]) == (name,)
    assert tasks.task_of_store(stores[name]).name == name


@every_task
def test_labels_are_the_stores_and_rows_behind_them_zero(name: str, stores: dict[str, Store]) -> None:
    task, store, samples = tasks.task(name), stores[name], np.array([7, 2])
    labels = task.labels(store, samples, 3, CLASSES)
    assert labels.dtype == (np.float32 if task.several else np.int32)
    assert labels.shape == ((3, CLASSES) if task.several else (3,))
    assert np.array_equal(labels[:2], store.labels[samples])
    assert not labels[2].any()


@every_task
def test_what_is_predicted_is_right_where_it_is_the_label(name: str, stores: dict[str, Store]) -> None:
    task = tasks.task(name)
    predicted = task.predicted(LOGITS)
    assert predicted.dtype == np.int64
    assert predicted.tolist() == ([[1, 0, 0, 0], [0, 1, 1, 0]] if task.several else [0, 2])
    labels = predicted.astype(stores[name].labels.dtype)
    assert task.right(predicted, labels).tolist() == [True, True]
    other = labels.copy()
    other[1] = 1 - other[1] if task.several else 0
    assert task.right(predicted, other).tolist() == [True, False]


@every_task
def test_probabilities_are_of_each_class(name: str) -> None:
    task = tasks.task(name)
    found = task.probabilities(LOGITS)
    assert (found.dtype, found.shape) == (np.float32, LOGITS.shape)
    assert ((found > 0) & (found < 1)).all()
    assert np.array_equal(found.argmax(1), LOGITS.argmax(1))
    if task.several:
        assert np.array_equal(found > 0.5, LOGITS > 0)
    else:
        np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-6)


@every_task
def test_sums_over_parts_add_up(name: str, stores: dict[str, Store]) -> None:
    task, store = tasks.task(name), stores[name]
    logits = np.random.default_rng(0).standard_normal((20, CLASSES)).astype(np.float32)
    labels = store.labels[:20]
    whole = task.count(logits, labels)
    parts = added(task.count(logits[:13], labels[:13]), task.count(logits[13:], labels[13:]))
    assert parts == pytest.approx(whole, rel=1e-12)
    assert parts["samples"] == 20
    assert whole["correct"] == task.right(task.predicted(logits), labels).sum()


@pytest.mark.parametrize(("name", "share"), [("classification", 0.25), ("labels", 0.0625)])
def test_guessing(name: str, share: float) -> None:
    assert tasks.task(name).chance(4) == share
