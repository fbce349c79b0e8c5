"""What a gate of this scatter could show: "not decided" means nothing without it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.gate.rule import Look, boundaries, centre
from bench.statistics.intervals import walsh_averages

POWER = 0.8
GATES = 2000  # simulated ones; the figure is then good to a tenth of itself


def smallest_shown(logs: Sequence[float], threshold: float, plan: Sequence[Look]) -> float | None:
    """The slow-down, a share of the throughput, that POWER of gates like this one call slower.

    Such gates are simulated: as many pairs, which scatter as these do about their centre, to either side alike. So few
    pairs know their scatter badly; each gate therefore draws what it may really be (sd times the root of
    (n - 1) / chi-squared, as for normal values), and the figure holds on average over gates.

    Args:
        logs: log(head / base) of every pair.
        plan: the looks.

    Returns:
        None where the gate ended before its first look.
    """
    taken = [look for look in plan if look.pairs <= len(logs)]
    if not taken:
        return None
    count, places = taken[-1].pairs, boundaries(taken)
    values = np.asarray(logs[:count], dtype=np.float64)
    rng = np.random.default_rng(count)  # the same pairs give the same figure
    away = values - centre(logs[:count])
    drawn = rng.choice(np.concatenate([away, -away]), size=(GATES, count))
    drawn *= np.sqrt(count / rng.chisquare(count - 1, size=(GATES, 1)))
    # what the upper bound reaches at the look that is the most favourable to a failure: below that it fails
    reach = np.min([walsh_averages(drawn[:, : look.pairs])[:, -1 - places[look.pairs]] for look in taken], axis=0)
    return 1 - math.exp(math.log1p(-threshold) - float(np.quantile(reach, POWER)))
