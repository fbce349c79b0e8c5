"""The losses of tokens, spans and pre-training in NumPy, with their gradients: what both wings' are compared with.

Each is a sum of cross-entropies times factors, so each is given by its parts: logits (n x T x K), labels (n x T) and
the factor of every token (n x T).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, softmax

from shared.store import NO_LABEL

N, T, K, P, V = 6, 7, 5, 3, 11
NAMES = ("token_cross_entropy", "span_cross_entropy", "pretraining")


class Case(NamedTuple):
    """The arguments of a loss."""

    logits: tuple[np.ndarray, ...]
    labels: np.ndarray
    weights: np.ndarray


def some(name: str, seed: int = 0, unlabelled: float = 0.4, dtype: type = np.float64) -> Case:
    """Random arguments of a loss; a share of the labels is none."""
    rng = np.random.default_rng(seed)
    shapes = {
        "token_cross_entropy": [(N, T, K)],
        "span_cross_entropy": [(N, T, 2)],
        "pretraining": [(N, P, V), (N, T, 2), (N, 1, 2)],
    }[name]
    logits: tuple[np.ndarray, ...] = tuple((3 * rng.standard_normal(shape)).astype(dtype) for shape in shapes)
    if name == "span_cross_entropy":
        labels = rng.integers(0, T, (N, 2))
        labels[rng.random(N) < unlabelled] = NO_LABEL
    else:
        labels = np.concatenate([rng.integers(0, shape[2], shape[:2]) for shape in shapes], 1)
        labels[rng.random(labels.shape) < unlabelled] = NO_LABEL
    return Case(logits, labels.astype(np.int32), rng.uniform(0.1, 2.0, (N, len(shapes))).astype(np.float32))


def parts(name: str, case: Case) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Logits, labels and factors of a loss's parts."""
    factors = case.weights.astype(np.float64) / len(case.labels)
    if name == "span_cross_entropy":
        return [(case.logits[0].swapaxes(1, 2), case.labels, np.repeat(factors / 2, 2, 1))]
    widths = np.cumsum([part.shape[1] for part in case.logits])[:-1]
    labels = np.split(case.labels, widths, axis=1)
    return [
        (logits, of_part, np.repeat(factors[:, [index]], logits.shape[1], 1))
        for index, (logits, of_part) in enumerate(zip(case.logits, labels, strict=True))
    ]


def value(name: str, case: Case) -> float:
    """The loss."""
    total = 0.0
    for logits, labels, factors in parts(name, case):
        for row, place in np.argwhere(labels != NO_LABEL):
            exact = log_softmax(logits[row, place].astype(np.float64))
            total -= float(exact[labels[row, place]] * factors[row, place])
    return total


def gradients(name: str, case: Case) -> list[np.ndarray]:
    """Of the loss by its logits: what is said less what is right."""
    found = []
    for logits, labels, factors in parts(name, case):
        there = labels != NO_LABEL
        right = np.eye(logits.shape[-1])[np.where(there, labels, 0)]
        each = (softmax(logits.astype(np.float64), -1) - right) * (factors * there)[..., None]
        found.append(each.swapaxes(1, 2) if name == "span_cross_entropy" else each)
    return found


def share(case: Case, replica: int, replicas: int) -> Case:
    """A replica's samples."""
    rows = slice(replica * N // replicas, (replica + 1) * N // replicas)
    return Case(tuple(logits[rows] for logits in case.logits), case.labels[rows], case.weights[rows])
