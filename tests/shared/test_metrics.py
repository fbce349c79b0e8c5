"""From logits to counts, against answers worked out by hand and scikit-learn's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from shared.metrics import Counts, micro_f1, probabilities

LOG2 = math.log(2.0)


def counted(logits: list[list[float]], labels: np.ndarray) -> Counts:
    counts = Counts()
    counts.add(np.array(logits, np.float32), labels)
    return counts


def test_one_label_a_sample() -> None:
    counts = counted([[0.0, 0.0], [5.0, 5.0 + LOG2], [1.0, -40.0]], np.array([0, 1, 1], np.int32))
    assert (counts.correct, counts.total) == (2, 3)
    assert counts.loss == pytest.approx(LOG2 + math.log(1.5) + 41.0, rel=1e-6)
    assert (counts.hits, counts.predicted, counts.relevant) == (2, 3, 3)
    assert micro_f1(counts.hits, counts.predicted, counts.relevant) == pytest.approx(counts.correct / counts.total)


def test_several_labels_a_sample() -> None:
    logits = [[1.0, -1.0, 0.0], [2.0, 3.0, -2.0], [-1.0, -1.0, -1.0]]
    counts = counted(logits, np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], np.uint8))
    assert (counts.correct, counts.total) == (2, 3)  # a probability of exactly one half is no label
    assert (counts.hits, counts.predicted, counts.relevant) == (2, 3, 3)

    def entropy(values: list[float]) -> float:
        """Mean over labels, of the logits turned so that a positive one is right."""
        return sum(math.log1p(math.exp(-value)) for value in values) / len(values)

    expected = entropy([1.0, 1.0, 0.0]) + entropy([-2.0, 3.0, -2.0]) + entropy([1.0, 1.0, 1.0])
    assert counts.loss == pytest.approx(expected, rel=1e-6)


def test_logits_of_any_size_have_a_finite_loss() -> None:
    assert counted([[1e4, -1e4]], np.array([1], np.int32)).loss == pytest.approx(2e4)
    assert counted([[1e4, -1e4]], np.array([[0, 1]], np.uint8)).loss == pytest.approx(1e4)
    assert np.isfinite(probabilities(np.array([[1e4, -1e4]], np.float32), False)).all()


@pytest.mark.parametrize("several", [False, True])
def test_parts_of_a_split_add_up(several: bool) -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((10, 4)).astype(np.float32)
    labels = rng.integers(0, 2, (10, 4)).astype(np.uint8) if several else rng.integers(0, 4, 10).astype(np.int32)
    whole, parts = Counts(), Counts()
    whole.add(logits, labels)
    for part in (slice(0, 3), slice(3, 3), slice(3, 10)):
        parts.add(logits[part], labels[part])
    assert parts.as_event() == pytest.approx(whole.as_event(), rel=1e-12)
    assert all(isinstance(value, int | float) for value in parts.as_event().values())


def test_f1_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    truth = (rng.random((200, 7)) < 0.2).astype(np.uint8)
    logits = (rng.standard_normal((200, 7)) - 1 + 2 * truth).astype(np.float32)
    counts = Counts()
    counts.add(logits, truth)
    f1 = micro_f1(counts.hits, counts.predicted, counts.relevant)
    assert f1 == pytest.approx(sklearn.f1_score(truth, logits > 0, average="micro"), rel=1e-12)
    assert counts.correct / counts.total == pytest.approx(sklearn.accuracy_score(truth, logits > 0), rel=1e-12)
    assert counts.loss / counts.total == pytest.approx(
        np.mean([sklearn.log_loss(t, p, labels=[0, 1]) for t, p in zip(truth, 1 / (1 + np.exp(-logits)), strict=True)]),
        rel=1e-5,
    )


def test_f1_of_nothing_is_nothing() -> None:
    assert micro_f1(0, 0, 0) == 0.0
    assert micro_f1(0, 3, 0) == 0.0


def test_probabilities() -> None:
    logits = np.array([[0.0, math.log(3.0)]], np.float32)
    assert probabilities(logits, False) == pytest.approx(np.array([[0.25, 0.75]]))
    assert probabilities(logits, True) == pytest.approx(np.array([[0.5, 0.75]]))
    assert probabilities(logits, True).dtype == np.float32
