"""The ratio of two groups that were not measured together: exact for their noise, blind to drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

from bench.statistics.intervals import LEVEL, Estimate, tolerance
from bench.statistics.power import DRAWS, power_factor

MOST_EXACT = 2500  # products of the two counts; beyond it U is normal to within what a rank can resolve
MOST_DRAWN = 40  # values of either side; beyond it the factor hardly changes any more


def unpaired_ratio(over: Sequence[float], under: Sequence[float], level: float = LEVEL) -> Estimate:
    """How many times as large `over` is as `under`, from independent values in any order.

    The Hodges-Lehmann centre of the logarithms' differences, all of one against all of the other, with the exact
    interval of the Mann-Whitney test: the same method as `stats.ratio`, without its pairs. It assumes that both are
    noisy in the same way, and that nothing but what is compared changed between the two groups; drift of the machine
    is not in the interval. Of the exact levels the one nearest to `level` is taken (5 and 5 values: 94.4 %).

    Args:
        over, under: positive; the numbers of values may differ.
        level: of the two-sided interval.

    Returns:
        The estimate; `count` is the smaller number of values.
    """
    assert len(over) and len(under), "no values"
    assert min(*over, *under) > 0, f"not positive: {list(over)}, {list(under)}"
    differences = np.sort((np.log(over)[:, None] - np.log(under)[None, :]).ravel())
    levels = 1 - 2 * np.cumsum(rank_sum_shares(len(over), len(under)))
    value, count, attainable = math.exp(float(np.median(differences))), min(len(over), len(under)), float(levels[0])
    rank = int(np.argmin(np.abs(levels - level)))
    if abs(levels[rank] - level) > tolerance(level):
        return Estimate(value, None, None, count, level, attainable)
    low, high = (math.exp(differences[place]) for place in (rank, -1 - rank))
    return Estimate(value, low, high, count, float(levels[rank]), attainable)


@cache
def unpaired_factor(first: int, second: int, level: float = LEVEL) -> float:
    """How many half-widths of `unpaired_ratio`'s interval a difference takes that 80 % of new runs show.

    Args:
        first, second: numbers of values that give an interval.
    """
    first, second = min(first, MOST_DRAWN), min(second, MOST_DRAWN)
    levels = 1 - 2 * np.cumsum(rank_sum_shares(first, second))
    rank = int(np.argmin(np.abs(levels - level)))

    def bounds(draws: np.random.Generator, experiments: int) -> tuple[np.ndarray, np.ndarray]:
        over, under = draws.normal(size=(experiments, first, 1)), draws.normal(size=(experiments, 1, second))
        differences = np.sort((over - under).reshape(experiments, -1), axis=-1)
        return differences[:, rank], differences[:, -1 - rank]

    return power_factor(bounds, max(1000, DRAWS // (first * second)))


def fewest_unpaired(level: float = LEVEL) -> int:
    """How many values of each group an interval of a level needs.

    >>> fewest_unpaired(0.95)
    4
    """
    return next(
        count
        for count in range(1, 100)
        if np.abs(1 - 2 * np.cumsum(rank_sum_shares(count, count)) - level).min() <= tolerance(level)
    )


@cache
def rank_sum_shares(first: int, second: int) -> np.ndarray:
    """The distribution of Mann-Whitney's U: the shares of 0, 1, ... first x second; exact but for very many values.

    Args:
        first, second: numbers of values.
    """
    if first * second > MOST_EXACT:
        sums = np.arange(first * second + 1)
        deviation = math.sqrt(first * second * (first + second + 1) / 12)
        shares = np.exp(-0.5 * ((sums - first * second / 2) / deviation) ** 2)
        return np.asarray(shares / shares.sum())
    # ways[k] counts, by their sum, the ways to choose k of the ranks 1 .. n looked at so far
    most = sum(range(second + 1, first + second + 1))
    ways = np.zeros((first + 1, most + 1))
    ways[0, 0] = 1
    for rank in range(1, first + second + 1):
        for chosen in range(min(first, rank), 0, -1):
            ways[chosen, rank:] += ways[chosen - 1, : most + 1 - rank]
    counts = ways[first, first * (first + 1) // 2 :]
    return np.asarray(counts / counts.sum())
