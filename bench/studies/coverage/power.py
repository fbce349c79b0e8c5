"""How often a difference that is said to be shown in 80 % of runs is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.statistics import intervals
from bench.statistics.power import paired_factor

PAIRS = (5, 7, 10, 20)


def share_shown(pairs: int, noise: str, experiments: int, factor: float | None = None) -> float:
    """How often a new run shows the difference that the first one says is shown.

    Args:
        pairs: of either run.
        noise: `normal` or `heavy-tailed` (t with 3 degrees of freedom), of the logarithm of a pair's ratio.
        factor: half-widths that are said to be shown; None: what `stats_power` says.
    """
    draws, rank = np.random.default_rng(1), intervals.nearest_rank(pairs, intervals.LEVEL)
    assert rank is not None, pairs
    shape = (2, experiments, pairs)
    logs = draws.normal(size=shape) if noise == "normal" else draws.standard_t(3, size=shape)
    _, low, high = intervals.centre_and_bounds(logs, rank)
    half_widths = paired_factor(pairs, intervals.LEVEL) if factor is None else factor
    said = half_widths * (high[0] - low[0]) / 2
    return float(np.mean(low[1] + said > 0))


def table(experiments: int) -> Iterator[str]:
    """How often what is said to be shown is."""
    yield "| pairs | half-widths | normal noise | heavy-tailed noise | one half-width, normal |"
    yield "| --- | --- | --- | --- | --- |"
    for pairs in PAIRS:
        shares = [share_shown(pairs, noise, experiments) for noise in ("normal", "heavy-tailed")]
        shares.append(share_shown(pairs, "normal", experiments, factor=1.0))
        texts = " | ".join(f"{100 * share:.1f} %" for share in shares)
        yield f"| {pairs} | {paired_factor(pairs, intervals.LEVEL):.2f} | {texts} |"
