"""Two networks on the same documents: a paired test of their accuracies, and the smallest difference that it sees.

Only documents that one network classifies rightly and the other wrongly say anything of a difference (McNemar 1947).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.stats import binom, binomtest

POWER = 0.8  # "would have been seen" means: with this probability
PRECISION = 1e-4  # of a smallest difference


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact two-sided p of equal accuracies.

    Args:
        only_first, only_second: documents that this network alone classifies rightly.

    >>> mcnemar_p(8, 0), mcnemar_p(3, 3), mcnemar_p(0, 0)
    (0.0078125, 1.0, 1.0)
    """
    discordant = only_first + only_second
    return float(binomtest(only_first, discordant).pvalue) if discordant else 1.0


def power(documents: int, discordant: float, difference: float, significance: float) -> float:
    """The probability that the test sees a difference.

    Args:
        discordant: the share of documents that just one network classifies rightly, at least the difference.
        difference: of the two accuracies, a share. significance: the test's level.

    >>> power(500, 0.02, 0.02, 0.01) < 0.8 < power(550, 0.02, 0.02, 0.01)
    True
    """
    assert 0 < difference <= discordant <= 1, (difference, discordant)
    counts = np.arange(documents + 1)
    better = (1 + difference / discordant) / 2  # of the discordant documents, those that the better network has right
    likely = binom.pmf(counts, documents, discordant)
    rejected = np.zeros(len(counts))
    for count in counts[likely > 1e-9]:
        largest = _largest_rejected(int(count), significance)
        if largest >= 0:
            rejected[count] = binom.cdf(largest, count, 1 - better) + binom.cdf(largest, count, better)
    return float(likely @ rejected)


@cache
def _largest_rejected(discordant: int, significance: float) -> int:
    """The largest count of the rarer side at which the test rejects; -1: at none."""
    tails = 2 * binom.cdf(np.arange(discordant // 2 + 1), discordant, 0.5)
    return int(np.flatnonzero(tails <= significance)[-1]) if tails[0] <= significance else -1


def smallest_difference(documents: int, discordant: float, significance: float) -> float:
    """The smallest difference of two accuracies that the test sees with a probability of POWER; 1 where none is.

    Args:
        discordant: the share of documents that just one network had right; a larger difference implies a larger one.
    """

    def is_seen(difference: float) -> bool:
        return power(documents, max(discordant, difference), difference, significance) >= POWER

    low, high = 0.0, 1.0
    if not documents or not is_seen(high):
        return 1.0
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if is_seen(middle) else (middle, high)
    return high
