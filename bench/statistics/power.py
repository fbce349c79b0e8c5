"""The smallest difference that would have been shown: with 80 % power, never the half-width of an interval.

A difference as large as an interval's half-width is shown in about half of all runs. What is said to be "shown" here is
what the same rule (the interval lies on one side of none) shows in POWER of new runs like the one that was made, the
uncertainty of that one run's noise included (test_stats_power.py counts, in simulated runs).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np

from bench.statistics import intervals
from bench.statistics.intervals import Estimate
from bench.statistics.steps import Floats

POWER = 0.8
DRAWS = 2_000_000  # Walsh averages that are drawn for a factor, as many experiments as these make
MOST_PAIRS = 40  # beyond it the factor hardly changes any more


def shown_share(ratio: Estimate, factor: float | None = None) -> float | None:
    """The smallest difference, as a share, that POWER of new runs as noisy as this one would show.

    Args:
        ratio: with its interval, symmetric on the log scale as `stats.ratio` makes it.
        factor: half-widths that such a difference takes; None: those of `stats.ratio`, by the number of pairs.

    Returns:
        0.05: five per cent; None where there is no interval.
    """
    if ratio.interval is None:
        return None
    low, high = ratio.interval
    half_width = (math.log(high) - math.log(low)) / 2
    return math.expm1((paired_factor(ratio.count, ratio.level) if factor is None else factor) * half_width)


def power_text(share: float) -> str:
    """What "no difference shown" leaves open.

    >>> power_text(0.123)
    'one of 12.3 % is shown in 80 % of such runs'
    """
    return f"one of {100 * share:.1f} % is shown in {100 * POWER:.0f} % of such runs"


@cache
def paired_factor(count: int, level: float) -> float:
    """How many half-widths of the interval over pairs a difference takes that POWER of new runs show.

    Args:
        count: pairs.
        level: of the interval, two-sided.
    """
    drawn = min(count, MOST_PAIRS)
    rank = intervals.nearest_rank(drawn, level)
    assert rank is not None, f"{count} pairs have no interval of {level}"

    def bounds(draws: np.random.Generator, experiments: int) -> tuple[Floats, Floats]:
        _, low, high = intervals.centre_and_bounds(draws.normal(size=(experiments, drawn)), rank)
        return low, high

    return power_factor(bounds, DRAWS // (drawn * (drawn + 1) // 2))


def power_factor(bounds: Callable[[np.random.Generator, int], tuple[Floats, Floats]], experiments: int) -> float:
    """How many half-widths a difference takes that POWER of new runs show, for any kind of interval that scales.

    Of two independent runs without a difference, the first one's half-width is what is known, the second one's lower
    bound what has to be overcome.

    Args:
        bounds: draws the lower and the upper bound, each (experiments,), of runs with normal noise of any size.
    """
    draws = np.random.default_rng(0)
    low, high = bounds(draws, experiments)
    overcome, _ = bounds(draws, experiments)
    return float(np.quantile(-overcome / ((high - low) / 2), POWER))
