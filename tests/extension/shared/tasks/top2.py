"""One class a document, found where it is among the two largest logits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shared.task import Counts, Metric
from shared.tasks.classification import Classification


class Top2(Classification):
    """As classification, but a document counts as right where its class is among the first two."""

    name = "top2"
    headline = "top2"
    metrics = {"top2": Metric("among the first two"), "accuracy": Metric("accuracy")}
    hashed = {"task": "top2"}

    def count(self, logits: np.ndarray, labels: np.ndarray) -> Counts:
        """`among`: samples whose class is among the first two."""
        first_two = np.argsort(-logits, axis=1)[:, :2]
        return super().count(logits, labels) | {"among": int((first_two == labels[:, None]).any(1).sum())}

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        found = super().scores(counts)
        return found and {"top2": counts["among"] / counts["samples"], **found}


TASK = Top2()
