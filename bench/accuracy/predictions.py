"""From what a cell's ranks left to class probabilities by document, and from those to an accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.cells.launch import num_ranks
from shared.outside import OutsideError, read_arrays
from shared.protocol import Cell
from shared.store import SPLITS

USED = ("val", "test")  # weights are chosen on the one, accuracies are reported of the other

Probabilities = Mapping[str, np.ndarray]  # split to N x K: rows by ascending document, as `Store.indices` gives them


@dataclass(frozen=True)
class Score:
    """How well predictions fit the labels of one split."""

    accuracy: float
    per_class: tuple[float, ...]  # of class k: the share of its documents classified rightly; NaN where it has none
    confusion: np.ndarray  # int64, K x K: documents of the row's class predicted as the column's


def read_predictions(cell: Cell, codes: np.ndarray, num_classes: int) -> dict[str, np.ndarray]:
    """The probabilities that a cell's ranks left for validation and test.

    Args:
        codes: int8, N: the split of every document of the cell's store.

    Raises:
        ValueError: a file that is missing or damaged, or documents that are missing, doubled or of another split.
    """
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {split: [] for split in USED}
    for rank in range(num_ranks(cell)):
        path = cell.predictions_path(rank)
        try:
            arrays = read_arrays(path)
        except OutsideError as error:
            raise ValueError(f"no predictions in {path.name} ({error.reason})") from None
        for split, found in parts.items():
            samples, probabilities = (arrays.get(f"{split}.{name}") for name in ("samples", "probabilities"))
            if samples is None and probabilities is None:
                continue  # a rank may have had none of a small split
            if samples is None or probabilities is None or samples.ndim != 1 or probabilities.ndim != 2:
                raise ValueError(f"no {split} predictions in {path.name}")
            found.append((samples, probabilities))
    return {split: gathered(split, found, codes, num_classes) for split, found in parts.items()}


def gathered(split: str, parts: list[tuple[np.ndarray, np.ndarray]], codes: np.ndarray, num_classes: int) -> np.ndarray:
    """The ranks' rows of one split, put together by ascending document (N x K)."""
    expected = np.flatnonzero(codes == SPLITS.index(split))
    samples = np.concatenate([found for found, _ in parts]) if parts else np.zeros(0, np.int64)
    by_document = np.argsort(samples, kind="stable")
    if not np.array_equal(samples[by_document], expected):
        raise ValueError(f"predictions of {len(samples)} {split} documents, not once of each of {len(expected)}")
    probabilities = np.concatenate([found for _, found in parts])[by_document]
    if probabilities.shape != (len(expected), num_classes) or not np.isfinite(probabilities).all():
        raise ValueError(f"{split} predictions are no finite numbers of {len(expected)} x {num_classes}")
    return probabilities


def score(probabilities: np.ndarray, labels: np.ndarray) -> Score:
    """Accuracy, that of each class, and the confusion matrix.

    Args:
        probabilities: N x K.
        labels: int, N.
    """
    num_classes = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    pairs = np.asarray(labels, np.int64) * num_classes + predicted
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return Score(float(np.mean(predicted == labels)), class_accuracies(confusion), confusion)


def class_accuracies(confusion: np.ndarray) -> tuple[float, ...]:
    """The share of each class's documents that were classified rightly; NaN of a class without any."""
    documents = confusion.sum(1)
    right = np.divide(np.diag(confusion), documents, out=np.full(len(documents), np.nan), where=documents > 0)
    return tuple(right.tolist())


def figures_of(
    predictions: Probabilities, labels: np.ndarray, codes: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """The fields of a record that come from predictions: accuracies, and the test split's by class.

    Args:
        labels, codes: int, N: of every document of the store.
    """
    scores = {split: score(predictions[split], labels[codes == SPLITS.index(split)]) for split in USED}
    test = scores["test"]
    return {
        "accuracy": {split: each.accuracy for split, each in scores.items()},
        "per_class": dict(zip(classes, test.per_class, strict=True)),
        "confusion": test.confusion.tolist(),
    }
