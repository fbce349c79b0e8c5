"""One class a document: cross-entropy, accuracy (Ferrando et al., ICCS 2020, section 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax, softmax

from shared.store import Store
from shared.task import Counts, Decisions, DocumentTask, Metric


class Classification(DocumentTask):
    """One class a document."""

    name = "classification"
    loss = "cross_entropy"
    single = True
    labelled = "one label each"
    headline = "accuracy"
    metrics = {"accuracy": Metric("accuracy")}
    hashed = {"model": {"multi_label": False}}  # as in the first published hashes, when it was a setting of the model

    def has_labels(self, store: Store) -> bool:
        return store.labels.ndim == 1 and len(store.classes) > 1

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """int32, size."""
        labels = np.zeros(size, np.int32)
        labels[: len(samples)] = store.labels[samples]
        return labels

    def count(self, logits: np.ndarray, labels: np.ndarray) -> Counts:
        """`correct`: samples classified rightly."""
        exact = logits.astype(np.float64)
        loss = -np.take_along_axis(log_softmax(exact, 1), labels[:, None].astype(np.int64), 1).sum()
        return {"samples": len(labels), "loss": float(loss), "correct": int((exact.argmax(1) == labels).sum())}

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        return {"accuracy": counts["correct"] / counts["samples"]} if counts["samples"] else {}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax."""
        return softmax(logits.astype(np.float64), 1).astype(np.float32)

    def predicted(self, logits: np.ndarray) -> np.ndarray:
        """The class with the largest logit (int64, n)."""
        return logits.argmax(1)

    def right(self, decisions: Decisions) -> np.ndarray:
        return np.asarray(decisions.predicted == decisions.labels)

    def chance(self, num_classes: int) -> float:
        return 1.0 / num_classes


TASK = Classification()
