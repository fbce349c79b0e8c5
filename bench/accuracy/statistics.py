"""What the accuracies over the splits say: centre, spread, and whether two frameworks differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_PAIRS = 7  # below, a difference is not claimed, whatever the p
MOST_EXACT = 15  # pairs; with more the flips are sampled
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Spread:
    """Accuracies over splits, summed up."""

    count: int
    median: float
    mean_first: float | None  # over the protocol's first splits; None where one of them is missing
    lower_quartile: float
    upper_quartile: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class PairedTest:
    """Whether one framework's accuracies lie above the other's."""

    count: int  # pairs
    mean_difference: float  # of the first over the second
    p: float  # two-sided
    attainable: float  # the smallest p that these pairs could have given, whatever the signs

    @property
    def may_claim(self) -> bool:
        """Whether there are enough pairs that a difference could be claimed at SIGNIFICANT."""
        return self.count >= FEWEST_PAIRS and self.attainable <= SIGNIFICANT


def spread(accuracies: dict[int, float], mean_splits: int) -> Spread | None:
    """Sum up accuracies by split index; None where there are none.

    Args:
        accuracies: split index to accuracy.
        mean_splits: the mean is over the splits 0 .. mean_splits - 1 (paper section 5.3).
    """
    if not accuracies:
        return None
    values = np.array(list(accuracies.values()))
    first = [accuracies[index] for index in range(mean_splits) if index in accuracies]
    lower, median, upper = np.percentile(values, [25, 50, 75]).tolist()
    mean_first = float(np.mean(first)) if len(first) == mean_splits else None
    return Spread(len(values), median, mean_first, lower, upper, float(values.min()), float(values.max()))


def paired_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Exact paired sign-flip permutation test on the differences over the splits, two-sided.

    If the two frameworks train alike, then on each split either could have had either accuracy: every way of swapping
    the two within splits is equally likely, and p is the share of the 2^n ways whose mean difference is at least as
    large as the one seen (all of them up to MOST_EXACT splits, else a seeded sample). What is random under it is the
    training alone, the splits are taken as they are: their overlap does no harm, but the answer is about these
    documents. McNemar's test on test predictions pooled over splits would be wrong: the test sets of the splits
    overlap, so the same document would be counted again and again as if it were another.

    Args:
        first, second: accuracies on the same splits, in the same order.
    """
    from scipy.stats import permutation_test

    assert len(first) == len(second) > 0
    # accuracies are ratios of counts: rounded, equal differences are equal and no tie is broken by the last bit
    differences = np.round(np.subtract(first, second), 12)
    count, moved = len(differences), differences[differences != 0]  # a difference of 0 has no sign to flip
    attainable, p = min(1.0, 2.0 ** (1 - len(moved))), 1.0
    if len(moved) > 1:  # with one, both signs are equally large
        test = permutation_test(
            (moved,),
            np.sum,
            permutation_type="samples",
            vectorized=True,
            n_resamples=2 ** min(len(moved), MOST_EXACT),
            rng=np.random.default_rng(0),
        )
        p = float(test.pvalue)
    return PairedTest(count, float(differences.mean()), p, attainable)


def describe_test(test: PairedTest, first: str, second: str) -> str:
    """One line: the difference in points, p, what p could have been, and whether anything may be claimed."""
    splits = f"{test.count} split{'' if test.count == 1 else 's'}"
    line = (
        f"{first} - {second}: {100 * test.mean_difference:+.2f} points on average over {splits}, "
        f"p = {test.p:.3g} (smallest attainable: {test.attainable:.2g})"
    )
    if not test.may_claim:
        return f"{line}; too few differing splits to claim a difference at {SIGNIFICANT}"
    verdict = "a difference" if test.p <= SIGNIFICANT else "no difference shown"
    return f"{line}: {verdict} at {SIGNIFICANT}"
