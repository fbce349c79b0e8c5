"""When a training stops before its last epoch, and which epoch's weights it leaves."""

from __future__ import annotations


class Stopping:
    """Told of every epoch's score on the validation split. All ranks are told the same, and so decide alike.

    >>> stopping = Stopping(patience=2, larger_is_better=True)
    >>> [stopping.is_best(score) for score in (0.5, 0.7, 0.7, 0.6)], stopping.is_over
    ([True, True, False, False], True)
    """

    def __init__(self, patience: int, larger_is_better: bool) -> None:
        """
        Args:
            patience: epochs without a better one, after which the training stops.
        """
        self.patience, self.sign = patience, 1.0 if larger_is_better else -1.0
        self.best: float | None = None
        self.num_worse = 0  # epochs since the best one

    def is_best(self, score: float) -> bool:
        """Whether an epoch is better than all before it; of two that are alike, the first is the best."""
        better = self.best is None or self.sign * score > self.sign * self.best
        if better:
            self.best = score
        self.num_worse = 0 if better else self.num_worse + 1
        return better

    @property
    def is_over(self) -> bool:
        """Whether there were as many epochs without a better one as are waited for."""
        return self.num_worse >= self.patience
