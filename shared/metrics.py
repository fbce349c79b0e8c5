"""From logits to counts, once for both wings: accuracy, micro-averaged F1, the evaluation loss."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax


@dataclass
class Counts:
    """Sums over evaluated samples; those of several parts of a split add up."""

    correct: int = 0  # samples classified rightly; of several labels: all of them
    total: int = 0  # samples
    loss: float = 0.0  # cross-entropy summed over samples; of several labels: the mean over labels
    hits: int = 0  # labels given and right
    predicted: int = 0  # labels given
    relevant: int = 0  # right labels

    def add(self, logits: np.ndarray, labels: np.ndarray) -> None:
        """Count some samples.

        Args:
            logits: n x K.
            labels: int, n; or n x K, 1 where a sample has a label.
        """
        exact = logits.astype(np.float64)
        self.total += len(labels)
        if labels.ndim == 1:
            given = exact.argmax(1)
            self.loss -= float(np.take_along_axis(log_softmax(exact, 1), labels[:, None].astype(np.int64), 1).sum())
            right = int((given == labels).sum())
            self.correct += right
            self.hits, self.predicted, self.relevant = self.hits + right, self.predicted + len(labels), self.total
            return
        truth = labels > 0
        chosen = exact > 0.0  # a probability above one half
        self.loss += float((logsumexp(np.stack([np.zeros_like(exact), exact]), 0) - exact * truth).mean(1).sum())
        self.correct += int((chosen == truth).all(1).sum())
        self.hits += int((chosen & truth).sum())
        self.predicted += int(chosen.sum())
        self.relevant += int(truth.sum())

    def as_event(self) -> dict[str, int | float]:
        """The fields of an `eval` event."""
        return asdict(self)


def probabilities(logits: np.ndarray, multi_label: bool) -> np.ndarray:
    """Class probabilities (float32, n x K): softmax, or for several labels the sigmoid of each."""
    exact = logits.astype(np.float64)
    return (expit(exact) if multi_label else softmax(exact, 1)).astype(np.float32)


def micro_f1(hits: int, predicted: int, relevant: int) -> float:
    """Micro-averaged F1 over all labels of all samples: 2 * hits / (predicted + relevant); 0 where there are none.

    >>> micro_f1(3, 4, 6)
    0.6
    """
    return 2.0 * hits / (predicted + relevant) if predicted + relevant else 0.0
