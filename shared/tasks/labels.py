"""Any number of labels a document: binary cross-entropy over labels, micro-averaged F1 (Adhikari et al., DocBERT, 2019,
section 4)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import expit, logsumexp

from shared.store import Store
from shared.task import Counts, Decisions, DocumentTask, Metric, micro_f1


class Labels(DocumentTask):
    """Any number of labels a document; one is given where its probability is above one half."""

    name = "labels"
    loss = "binary_cross_entropy"
    several = True
    labelled = "several labels each"
    headline = "f1"
    metrics = {"f1": Metric("F1 (micro)"), "accuracy": Metric("accuracy (all labels)")}
    hashed = {"model": {"multi_label": True}}  # as in the first published hashes, when it was a setting of the model

    def has_labels(self, store: Store) -> bool:
        return store.labels.ndim == 2

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """float32, size x K: 1 where a sample has a label."""
        labels = np.zeros((size, num_classes), np.float32)
        labels[: len(samples)] = store.labels[samples]
        return labels

    def count(self, logits: np.ndarray, labels: np.ndarray) -> Counts:
        """`correct`: samples whose labels all are right; `hits`: labels given and right; `predicted`: labels given;
        `relevant`: right labels. A sample's loss is the mean over its labels."""
        exact, truth = logits.astype(np.float64), labels > 0
        given = exact > 0.0
        loss = (logsumexp(np.stack([np.zeros_like(exact), exact]), 0) - exact * truth).mean(1).sum()
        return {
            "samples": len(labels),
            "loss": float(loss),
            "correct": int((given == truth).all(1).sum()),
            "hits": int((given & truth).sum()),
            "predicted": int(given.sum()),
            "relevant": int(truth.sum()),
        }

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        if not counts["samples"]:
            return {}
        f1 = micro_f1(counts["hits"], counts["predicted"], counts["relevant"])
        return {"f1": f1, "accuracy": counts["correct"] / counts["samples"]}

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The sigmoid of each."""
        return expit(logits.astype(np.float64)).astype(np.float32)

    def predicted(self, logits: np.ndarray) -> np.ndarray:
        """1 for each label that is given (int64, n x K)."""
        return (logits > 0).astype(np.int64)

    def right(self, decisions: Decisions) -> np.ndarray:
        return np.asarray((decisions.predicted == decisions.labels).all(1))

    def chance(self, num_classes: int) -> float:
        """Every label guessed."""
        return float(0.5**num_classes)


TASK = Labels()
