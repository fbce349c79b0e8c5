"""Statistics of a benchmark: intervals over processes, ratios of interleaved pairs, what the steps of one process say.

The unit is the process. Steps of one process follow one another (autocorrelation) and share what that process happened
to get (its memory, its neighbours), so a thousand steps of one process are one value here, its throughput, never a
thousand. `python -m bench.studies.noise RUN` prints how far real runs are from independent steps.

Contracts: of many 95 % intervals 93 to 97 % hold the truth, at five repeats and more (test_stats_coverage.py
tries that on distributions of known truth, bench/coverage.py in the order of a plan on a machine that drifts). Exact
levels are few: `level` of an estimate is the one that it has (five repeats: 93.75 %), and is what is printed. With
fewer repeats there is no interval, and `attainable` says what could have been had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from statistics import median as middle

import numpy as np

from bench.statistics.steps import Floats, Outliers, checked, outlying

__all__ = [
    "LEVEL", "Estimate", "Outliers", "attainable_level", "centre_and_bounds", "fewest", "median", "median_of",
    "nearest_rank", "outlying", "rank_level", "ratio", "signed_rank_estimate", "signed_rank_interval",
    "signed_rank_shares", "smallest_p", "text", "walsh_averages",
]  # fmt: skip

LEVEL = 0.95
TOLERANCE = 0.4  # of 1 - level: how far an interval's own level may be from the one asked for (95 %: 93 to 97 %)


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval."""

    value: float  # the median; of a ratio the Hodges-Lehmann centre
    low: float | None  # None: too few values for an interval of that level
    high: float | None
    count: int  # values, or pairs
    level: float  # that the interval really has; without an interval, that was asked for
    attainable: float  # the highest level that so many values can give
    apart: int = 0  # of a ratio: repeats of both sides that did not run side by side, and are no pairs

    @property
    def interval(self) -> tuple[float, float] | None:
        """Low and high, where there is an interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def scaled(self, factor: float) -> Estimate:
        """The same in another unit.

        Args:
            factor: above 0.
        """
        assert factor > 0, factor
        low, high = (None, None) if self.interval is None else (self.interval[0] * factor, self.interval[1] * factor)
        return replace(self, value=self.value * factor, low=low, high=high)


def median(values: Sequence[float], level: float = LEVEL) -> Estimate:
    """The median of process-level values, with an interval that assumes nothing about their distribution.

    The interval is that of the sign test, between order statistics, interpolated to the level (Hettmansperger and
    Sheather 1986). It is used in place of a bootstrap: the resampled medians of so few values are again the same few
    order statistics, so that a percentile bootstrap's 95 % interval of 7 values covers 88 % (the tests show both).
    Nothing is drawn at random: equal values give equal intervals.

    Args:
        values: one per process (throughputs, seconds, shares), finite, not negative, independent of one another.
        level: of the two-sided interval.
    """
    array = checked(values)
    assert (array >= 0).all(), f"negative: {list(values)}"
    attainable = attainable_level(len(array))
    reachable = attainable >= level - tolerance(level)
    low, high = _between_order_statistics(np.sort(array), level) if reachable else (None, None)
    held = min(level, attainable) if reachable else level
    return Estimate(float(np.median(array)), low, high, len(array), held, attainable)


def median_of(values: Sequence[float | None]) -> float | None:
    """The median of those that there are, without an interval; None where there are none.

    >>> median_of([3.0, None, 1.0]), median_of([None])
    (2.0, None)
    """
    present = [value for value in values if value is not None]
    return middle(present) if present else None


def ratio(over: Sequence[float], under: Sequence[float], level: float = LEVEL) -> Estimate:
    """How many times as large `over` is as `under`, from interleaved pairs: drift that both of a pair met cancels.

    The Hodges-Lehmann centre of the logarithms of the ratios with the exact interval of Wilcoxon's signed-rank test.
    It assumes that these logarithms lie symmetrically about their centre, as those of two processes do that are noisy
    in the same way. Exact levels are few: the one nearest to `level` is taken (5 pairs: 93.75 %, 7: 95.3 %).

    Args:
        over, under: positive, the two of a pair at the same place.
        level: of the two-sided interval.
    """
    numerators, denominators = checked(over), checked(under)
    assert len(numerators) == len(denominators), f"{len(numerators)} values over {len(denominators)}"
    assert (numerators > 0).all() and (denominators > 0).all(), f"not positive: {list(over)}, {list(under)}"
    centre = signed_rank_estimate(np.log(numerators) - np.log(denominators), level)
    low, high = (None, None) if centre.interval is None else map(math.exp, centre.interval)
    return replace(centre, value=math.exp(centre.value), low=low, high=high)


def signed_rank_estimate(differences: Floats, level: float = LEVEL) -> Estimate:
    """The Hodges-Lehmann centre of paired differences with the exact interval whose level is nearest to `level`.

    Args:
        differences: (n,), finite, of either sign.
    """
    count, attainable = len(differences), attainable_level(len(differences))
    rank = nearest_rank(count, level)
    if rank is None:
        return Estimate(float(np.median(walsh_averages(differences))), None, None, count, level, attainable)
    value, low, high = (float(each) for each in centre_and_bounds(differences, rank))
    return Estimate(value, low, high, count, rank_level(count, rank), attainable)


def centre_and_bounds(differences: Floats, rank: int) -> tuple[Floats, Floats, Floats]:
    """The Hodges-Lehmann centre of paired differences and its bounds, of many experiments at once.

    Args:
        differences: (..., n).
        rank: of the bounds among the Walsh averages, from either end; `nearest_rank` says which.

    Returns:
        Centre, lower and upper bound, each (...).
    """
    averages = walsh_averages(differences)
    return np.median(averages, axis=-1), averages[..., rank], averages[..., -1 - rank]


def signed_rank_interval(logs: Sequence[float], one_sided_level: float) -> tuple[float, float]:
    """Where the centre of paired log-ratios lies, each bound on its own held with at least the level: for the gate.

    Strict where `ratio` takes the nearest level: a bound is never less certain than asked for, so a rule that acts on
    one bound errs at most with probability 1 - one_sided_level (of symmetric log-ratios, exactly so in finite samples).

    Args:
        logs: log(over / under) of each pair, finite.
        one_sided_level: of either bound, in (0.5, 1); 0.995 gives a two-sided 99 %.

    Returns:
        The lower and the upper bound on the log scale; (-inf, inf) where so few pairs cannot give that level
        (see `smallest_p`).
    """
    assert 0.5 < one_sided_level < 1, one_sided_level
    averages = walsh_averages(checked(logs))
    tails = np.cumsum(signed_rank_shares(len(logs)))  # tails[w]: how often the sum of ranks is at most w
    allowed = np.flatnonzero(tails <= 1 - one_sided_level + 1e-12)  # the last bit must not cost a pair
    if len(allowed) == 0:
        return -math.inf, math.inf
    rank = int(allowed[-1])
    return float(averages[rank]), float(averages[-1 - rank])


def smallest_p(count: int) -> float:
    """The smallest one-sided p that so many pairs can give, whatever they show: all signs alike.

    >>> smallest_p(7)
    0.0078125
    """
    return 0.5**count


def attainable_level(count: int) -> float:
    """The highest level of a two-sided interval from so many values: from the lowest to the highest of them.

    >>> attainable_level(5)
    0.9375
    """
    return 1 - 2 * smallest_p(count)


def tolerance(level: float) -> float:
    """How far the level of an interval may be from the one asked for: exact levels are few."""
    assert 0.5 <= level < 1, level
    return TOLERANCE * (1 - level)


def fewest(level: float = LEVEL) -> int:
    """How many values, or pairs, an interval of a level needs.

    >>> fewest(0.95), fewest(0.99)
    (5, 8)
    """
    return next(count for count in range(1, 100) if attainable_level(count) >= level - tolerance(level))


def walsh_averages(values: Floats) -> Floats:
    """The means of all pairs of values, each with itself among them, sorted along the last axis.

    Args:
        values: (..., n).

    Returns:
        (..., n (n + 1) / 2).
    """
    first, second = np.triu_indices(values.shape[-1])
    return np.sort((values[..., first] + values[..., second]) / 2, axis=-1)


@cache
def nearest_rank(count: int, level: float) -> int | None:
    """Which Walsh average from either end bounds the interval whose exact level is nearest to the one asked for.

    Returns:
        The place, from 0; None where no exact level is near enough.
    """
    levels = 1 - 2 * np.cumsum(signed_rank_shares(count))
    rank = int(np.argmin(np.abs(levels - level)))
    return rank if abs(levels[rank] - level) <= tolerance(level) else None


def rank_level(count: int, rank: int) -> float:
    """The exact level of the interval between the Walsh averages at a place from either end.

    >>> rank_level(5, 0), rank_level(7, 2)
    (0.9375, 0.953125)
    """
    return float(1 - 2 * signed_rank_shares(count)[: rank + 1].sum())


@cache
def signed_rank_shares(count: int) -> Floats:
    """The exact distribution of the sum of positive ranks: the shares of the sums 0, 1, ... count (count + 1) / 2."""
    shares = np.ones(1)
    for rank in range(1, count + 1):  # with equal chances the rank is in the sum or not
        shares = (np.pad(shares, (0, rank)) + np.pad(shares, (rank, 0))) / 2
    return shares


def text(estimate: Estimate, digits: int) -> str:
    """The value with its interval where it has one: "86.1 [84.9, 87.3]".

    >>> text(Estimate(86.12, 84.9, 87.3, 7, 0.95, 0.98), 1), text(Estimate(86.12, None, None, 1, 0.95, 0.0), 1)
    ('86.1 [84.9, 87.3]', '86.1')
    """
    value = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return value
    low, high = estimate.interval
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"


@cache
def _sign_test_levels(count: int) -> list[float]:
    """How certainly the median lies between the 1st, 2nd, ... of so many values from either end."""
    tails = accumulate(math.comb(count, heads) for heads in range((count + 1) // 2))
    return [1 - 2 * tail / 2**count for tail in tails]


def _between_order_statistics(ordered: Floats, level: float) -> tuple[float, float]:
    """Low and high of the median's interval of a level; from end to end where the level is just out of reach.

    Args:
        ordered: two values or more, ascending.
    """
    count = len(ordered)
    # levels[k - 1]: how certainly the median lies between the k-th value from either end
    levels = _sign_test_levels(count)
    rank = max([rank for rank, held in enumerate(levels, start=1) if held >= level], default=1)
    inner = levels[rank] if rank < len(levels) else 0.0
    surplus = max(0.0, (levels[rank - 1] - level) / (levels[rank - 1] - inner))
    weight = (count - rank) * surplus / (rank + (count - 2 * rank) * surplus)
    low = _towards(ordered[rank - 1], ordered[rank], weight)
    high = _towards(ordered[-rank], ordered[-rank - 1], weight)
    return low, high


def _towards(outer: float, inner: float, weight: float) -> float:
    """A share of the way from one value to another; rounding never carries it beyond either."""
    return float(np.clip(outer + weight * (inner - outer), min(outer, inner), max(outer, inner)))
