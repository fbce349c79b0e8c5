"""Medians and paired differences of values that may be negative; those of positive ones: bench/statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.statistics import intervals
from bench.statistics.intervals import Estimate


def moved(estimate: Estimate, by: float) -> Estimate:
    """An estimate of values that are all larger by so much."""
    if estimate.interval is None:
        return replace(estimate, value=estimate.value + by)
    low, high = estimate.interval
    return replace(estimate, value=estimate.value + by, low=low + by, high=high + by)


def median(values: Sequence[float]) -> Estimate:
    """The median with the interval of `stats.median`, whose order statistics move with the values.

    >>> median([-1.0, 2.0, 3.0]).value
    2.0
    """
    lowest = min(values)
    return moved(intervals.median([value - lowest for value in values]), lowest)


def difference(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """How much larger `over` is than `under`, from interleaved pairs: `stats.ratio` without its logarithms.

    The Hodges-Lehmann centre of the differences with the exact interval of Wilcoxon's signed-rank test.
    """
    assert len(over) == len(under), f"{len(over)} values less {len(under)}"
    return intervals.signed_rank_estimate(np.asarray(over, np.float64) - np.asarray(under, np.float64))


def excludes_zero(estimate: Estimate) -> bool | None:
    """Whether the interval lies on one side of 0; None without an interval."""
    if estimate.interval is None:
        return None
    low, high = estimate.interval
    return low > 0 or high < 0
