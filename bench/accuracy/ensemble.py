"""Class probabilities of several members into one prediction (paper section 4.3).

P(class) = sum over members of w_i * P_i(class), the weights summing to 1; the predicted class has the largest P. The
paper finds equal weights optimal and says that a grid search over weights could find them: on the validation split,
never on the one that is reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

STEP = 0.05
MOST_CANDIDATES = 20_000  # a grid of more is made coarser
TIE = 1e-9  # two distances from equal weights that differ by less are the same


@dataclass(frozen=True)
class Search:
    """What a search over weights found."""

    weights: tuple[float, ...]
    accuracy: float  # on validation
    step: float  # of the grid; larger than asked for where there are many members
    num_candidates: int


def equal_weights(count: int) -> tuple[float, ...]:
    """1 / count for each member.

    >>> equal_weights(2)
    (0.5, 0.5)
    """
    return (1 / count,) * count


def combine(probabilities: Sequence[np.ndarray], weights: Sequence[float]) -> np.ndarray:
    """The weighted sum of the members' class probabilities.

    Args:
        probabilities: of each member N x K, rows of the same documents, columns of the same classes.
        weights: of each member, summing to 1.

    Returns:
        float64, N x K.
    """
    assert len(probabilities) == len(weights) > 0
    assert len({member.shape for member in probabilities}) == 1, "members disagree in documents or classes"
    assert math.isclose(sum(weights), 1.0, abs_tol=1e-6)
    stacked = np.stack([np.asarray(member, np.float64) for member in probabilities])
    return np.tensordot(np.asarray(weights, np.float64), stacked, axes=1)


def grid_size(num_members: int, parts: int) -> int:
    """How many ways there are to deal `parts` equal parts out to the members.

    >>> grid_size(2, 20), grid_size(4, 20)
    (21, 1771)
    """
    return math.comb(parts + num_members - 1, num_members - 1)


def fitting_parts(num_members: int, step: float, most: int = MOST_CANDIDATES) -> int:
    """Parts of the finest grid that is no finer than `step` and has at most `most` candidates; at least one."""
    parts = max(1, round(1 / step))
    while parts > 1 and grid_size(num_members, parts) > most:
        parts -= 1
    return parts


def compositions(total: int, count: int) -> Iterator[tuple[int, ...]]:
    """All tuples of `count` non-negative integers that sum to `total`.

    >>> list(compositions(2, 2))
    [(0, 2), (1, 1), (2, 0)]
    """
    if count == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, count - 1):
            yield (first, *rest)


def search_weights(probabilities: Sequence[np.ndarray], labels: np.ndarray, step: float = STEP) -> Search:
    """The weights with the highest accuracy, over every point of a grid on the simplex and equal weights.

    Of candidates that are equally accurate the one nearest to equal weights is taken (Euclidean), of those that are
    equally near the one that gives earlier members less. Equal weights are always a candidate: what is found is never
    less accurate than they are on these documents.

    Args:
        probabilities: of each member, on validation: N x K.
        labels: int, N, of the same documents.
        step: of the grid; a coarser one is used where it would have more than MOST_CANDIDATES points.
    """
    count = len(probabilities)
    parts = fitting_parts(count, step)
    equal = equal_weights(count)
    best: tuple[int, float, tuple[float, ...]] | None = None
    candidates = [equal, *(tuple(part / parts for part in shares) for shares in compositions(parts, count))]
    for weights in candidates:
        correct = int((combine(probabilities, weights).argmax(1) == labels).sum())
        distance = math.dist(weights, equal)
        if best is None or correct > best[0] or (correct == best[0] and distance < best[1] - TIE):
            best = (correct, distance, weights)
    assert best is not None
    return Search(best[2], best[0] / max(1, len(labels)), 1 / parts, len(candidates))
