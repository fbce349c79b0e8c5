"""The learning rate of every step, computed once for both wings."""

from __future__ import annotations

import numpy as np

from shared.sections import Schedule, SlantedTriangular, WarmupLinear


def peak_rate(peak_at_reference: float, global_batch: int, reference_batch: int) -> float:
    """The linear scaling rule: rate * n * k / 256 for k workers of n samples (paper section 4.1, after Goyal et al.).

    >>> peak_rate(0.2, 16 * 4, 256)
    0.05
    """
    return peak_at_reference * global_batch / reference_batch


def slanted_triangular(num_steps: int, peak: float, cut_fraction: float, ratio: float) -> np.ndarray:
    """Rates (float64, num_steps) of a slanted triangle, one per step.

    The rate climbs linearly from peak / ratio to peak over the first `cut_fraction` of the steps and falls linearly
    back (Howard and Ruder, ULMFiT, ACL 2018, equation 3). With cut = max(1, floor(num_steps * cut_fraction)), step t
    has p = t / cut before the cut and 1 - (t - cut) / (num_steps - cut) after it, and
    rate = peak * (1 + p * (ratio - 1)) / ratio.

    Raises:
        ValueError: fewer than one step.

    >>> slanted_triangular(20, 1.0, 0.1, 32.0)[[0, 1, 2, 11]].tolist()
    [0.03125, 0.515625, 1.0, 0.515625]
    """
    if num_steps < 1:
        raise ValueError(f"a schedule needs at least one step, not {num_steps}")
    cut = max(1, int(num_steps * cut_fraction))
    step = np.arange(num_steps, dtype=np.float64)
    falling = 1.0 - (step - cut) / max(1, num_steps - cut)
    progress = np.where(step < cut, step / cut, falling)
    return peak * (1.0 + progress * (ratio - 1.0)) / ratio


def warmup_linear(num_steps: int, peak: float, warmup_fraction: float) -> np.ndarray:
    """Rates (float64, num_steps) that climb linearly to the peak and fall linearly to zero, one per step.

    With warm = round(num_steps * warmup_fraction), step t has peak * (t + 1) / (warm + 1) before it and
    peak * (num_steps - t) / (num_steps - warm) after: Devlin et al., BERT (NAACL 2019), appendix A.2, but for the first
    and the last step, which would change nothing at a rate of zero.

    >>> warmup_linear(6, 1.0, 0.34).round(3).tolist()
    [0.333, 0.667, 1.0, 0.75, 0.5, 0.25]
    """
    warm = min(round(num_steps * warmup_fraction), num_steps - 1)
    step = np.arange(num_steps, dtype=np.float64)
    return peak * np.where(step < warm, (step + 1) / (warm + 1), (num_steps - step) / (num_steps - warm))


def learning_rates(schedule: Schedule, peak_at_reference: float, num_steps: int, global_batch: int) -> np.ndarray:
    """The rates of a whole training (float64, num_steps)."""
    if isinstance(schedule, SlantedTriangular):
        peak = peak_rate(peak_at_reference, global_batch, schedule.reference_batch)
        return slanted_triangular(num_steps, peak, schedule.cut_fraction, schedule.ratio)
    if isinstance(schedule, WarmupLinear):
        return warmup_linear(num_steps, peak_at_reference, schedule.warmup_fraction)
    return np.full(num_steps, peak_at_reference)
