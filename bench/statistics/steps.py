"""What the steps of one process say: outliers, neighbours that are alike, drift. Their number is no sample size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OUTLYING = 5.0  # scaled median absolute deviations above the median
FEWEST_IN_A_THIRD = 3  # steps whose spread says something
MOST_ALIKE = 0.8  # beyond it so few steps say nothing of how alike they are
MAD_SCALE = 1.4826  # makes the median absolute deviation of a normal distribution its standard deviation


@dataclass(frozen=True)
class Outliers:
    """Steps far above the others; they are named, and they count."""

    count: int
    steps: int  # of how many
    share: float  # of the time of all steps
    threshold: float  # seconds


def outlying(step_seconds: Sequence[float]) -> Outliers:
    """Steps beyond the median by OUTLYING scaled median absolute deviations. Nothing is dropped: throughput has them.

    Args:
        step_seconds: of one process, or of several of the same cell.
    """
    steps = checked(step_seconds)
    centre = float(np.median(steps))
    threshold = centre + OUTLYING * MAD_SCALE * float(np.median(np.abs(steps - centre)))
    # where more than half of the steps are alike to the last bit the deviation is 0: only rounding lies beyond it
    beyond = steps > max(threshold, centre * (1 + 1e-9))
    return Outliers(int(beyond.sum()), len(steps), float(steps[beyond].sum() / steps.sum()), threshold)


def blocks(step_seconds: Sequence[float], size: int) -> list[float]:
    """Means of consecutive steps; steps that fill no block at the end are left out.

    Long enough blocks are as good as independent of one another: what is left of `autocorrelation` says whether.
    """
    assert size > 0, size
    steps = checked(step_seconds)
    whole = len(steps) // size
    return [float(mean) for mean in steps[: whole * size].reshape(whole, size).mean(axis=1)]


def autocorrelation(step_seconds: Sequence[float]) -> float:
    """How alike neighbouring steps are once the drift is taken out: the lag-1 autocorrelation, in [-1, 1].

    By way of their ranks, so that one slow step does not hide what the others do. 0 where all steps are equal.
    """
    steps = checked(step_seconds)
    assert len(steps) >= 3, f"{len(steps)} steps"
    if np.ptp(steps) == 0:
        return 0.0
    trend = drift(step_seconds) * float(np.median(steps)) * np.linspace(-0.5, 0.5, len(steps))
    _, order, counts = np.unique(steps - trend, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[order]  # equal steps share their mean rank
    correlation = float(np.corrcoef(ranks[:-1], ranks[1:])[0, 1])
    return 2 * math.sin(math.pi / 6 * correlation)  # of normal steps: from the ranks' to the values' own


def drift(step_seconds: Sequence[float]) -> float:
    """The change of the step time from the window's start to its end as a share of its median; above 0: slower.

    From the medians of the first and the last third, so that outliers do not count as drift.
    """
    steps = checked(step_seconds)
    assert len(steps) >= 3, f"{len(steps)} steps"
    third = len(steps) // 3
    rise = float(np.median(steps[-third:]) - np.median(steps[:third]))
    return rise * len(steps) / (len(steps) - third) / float(np.median(steps))


@dataclass(frozen=True)
class Thirds:
    """A window's first third of steps against its last."""

    drift: float  # seconds per step in the first over those in the last, less 1; above 0: it still became faster
    noise: float | None  # standard error of that; None: too few steps to tell


def thirds(step_seconds: Sequence[float]) -> Thirds:
    """How much longer the steps of a window's first third took than those of its last, outliers and all.

    The noise is that of the steps within either third, with what neighbours share: where one slow step makes a third
    slow, it is as large.

    Args:
        step_seconds: of one process, positive, 3 or more.
    """
    steps = checked(step_seconds)
    third = len(steps) // 3
    first, last = steps[:third], steps[-third:]
    drift = float(first.mean() / last.mean() - 1)
    if third < FEWEST_IN_A_THIRD:
        return Thirds(drift, None)
    alike = min(max(autocorrelation(step_seconds), 0.0), MOST_ALIKE)
    # of the logarithm of the ratio: both thirds' relative variances, as if they had fewer steps that are independent
    variance = sum(each.var(ddof=1) / each.mean() ** 2 for each in (first, last)) / third
    return Thirds(drift, float((1 + drift) * math.sqrt(variance * (1 + alike) / (1 - alike))))


def checked(values: Sequence[float]) -> Floats:
    """Values as an array; the caller has left out what was not measured."""
    array = np.asarray(values, dtype=np.float64)
    assert array.ndim == 1 and len(array) > 0, "no values"
    assert np.isfinite(array).all(), f"not finite: {list(values)}"
    return array


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile by linear interpolation."""
    return float(np.percentile(values, percent))
