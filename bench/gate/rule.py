"""When a gate fails, passes, or goes on measuring: a group sequential rule on paired log-ratios.

A pair is two fresh processes, one of the base and one of the head. Its value is d = log(head's throughput / base's)
over whole windows: the seconds of equally many steps of both, all of them, so that a stall counts for what it costs.
Beside it stands the ratio of the typical step (the median over turns side by side), which stalls do not move.

After 7, 10, 14 and 20 pairs the rule looks at both one-sided exact bounds of Wilcoxon's signed-rank test (the
Hodges-Lehmann interval) of d, and of whole less typical. A look may be wrong with the probability that is spent on it,
and the looks together spend ERROR, so:

- a head that is no slower than the threshold allows fails as slower with a probability of at most 2.5 % a benchmark,
  however many looks there are, and wherever the gate ends early (a time limit, an interrupt: fewer looks);
- one whose stalls cost no more than the threshold over the base's fails as intermittent with at most 2.5 %, too;
- a head that is slower than the threshold passes as "shown" with a probability of at most 2.5 %.

A gate with several benchmarks fails falsely with at most the sum. All hold exactly in finite samples if the pairs are
independent and their values lie symmetrically about their centre; nothing is assumed about their spread. Those of an
unchanged head do: either side is what the other is, and they take turns at being first. It is a threshold away from
failing and fails far less often (`python -m bench.studies.gate.simulate` counts it, with neighbours that disturb single
turns).

A pair that was disturbed weighs as one pair among many, however far off it is. For the same reason stalls that meet
only few of the head's processes are not shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np

from bench.statistics.intervals import signed_rank_interval, signed_rank_shares, smallest_p, walsh_averages
from shared.errors import UserError

ERROR = 0.025  # of either kind, a benchmark
FEWEST_PAIRS = 7  # fewer give p = 1/64 at best: no room for a second look
MOST_PAIRS = 20
LARGEST = 200
GROWTH = 1.4  # from a look to the next

Decision = Literal["regression", "intermittent", "pass", "undecided", "go on"]


@dataclass(frozen=True)
class Look:
    """A moment at which the rule may decide."""

    pairs: int
    error: float  # what either bound may err at this look


@dataclass(frozen=True)
class Verdict:
    """What the pairs so far say; ratios of throughput, head over base."""

    decision: Decision
    pairs: int
    ratio: float  # the Hodges-Lehmann centre
    low: float | None  # None: no look yet
    high: float | None
    level: float | None  # of either bound by itself
    typical: float | None = None  # the centre of the typical steps' ratios; None: they are not known
    gap_low: float | None = (
        None  # bounds of whole over typical: below 1 the head loses to stalls what its steps do not show
    )
    gap_high: float | None = None
    disagrees: bool = False  # whole and typical are shown to differ by more than the threshold


def looks(most_pairs: int = MOST_PAIRS) -> tuple[Look, ...]:
    """The looks of a gate of at most so many pairs.

    The first spends what all pairs alike can show (1/128), the others share the rest; what exact levels, which are
    few, leave over is spent at the next look.

    Raises:
        UserError: too few pairs for the rule, or more than it is made for.
    """
    check_pairs(most_pairs)
    counts = [FEWEST_PAIRS]
    while (following := round(counts[-1] * GROWTH)) < most_pairs:
        counts.append(following)
    if counts[-1] != most_pairs:
        counts.append(most_pairs)
    left, found = ERROR, []
    for position, count in enumerate(counts):
        others = len(counts) - position
        share = left if others == 1 else max(smallest_p(count), left / others)
        spent = _spent(count, share)
        found.append(Look(count, spent))
        left -= spent
    return tuple(found)


def check_pairs(most_pairs: int) -> None:
    """Whether a rule of so many pairs can be had.

    Raises:
        UserError: no; with the p that so few pairs can give.
    """
    if most_pairs < FEWEST_PAIRS:
        raise UserError(
            f"--max-pairs {most_pairs}: so few pairs give p = {smallest_p(max(0, most_pairs)):.3g} at best; a gate "
            f"needs {FEWEST_PAIRS} or more (p = {smallest_p(FEWEST_PAIRS):.3g})"
        )
    if most_pairs > LARGEST:
        raise UserError(f"--max-pairs {most_pairs}: at most {LARGEST}")


@cache
def _spent(pairs: int, error: float) -> float:
    """The largest exact level of the signed-rank test that is within an error; 0 where there is none."""
    tails = np.cumsum(signed_rank_shares(pairs))
    allowed = tails[tails <= error + 1e-12]
    return float(allowed[-1]) if len(allowed) else 0.0


def judge(
    logs: Sequence[float],
    threshold: float,
    plan: Sequence[Look],
    ended: bool = False,
    typical: Sequence[float] | None = None,
) -> Verdict:
    """What to do after so many pairs.

    Args:
        logs: log(head / base) of every pair so far, over whole windows.
        threshold: the slow-down that is allowed, a share in [0, 1).
        plan: the looks.
        ended: there will be no more pairs, whatever the plan says.
        typical: log(head / base) of the typical step of every pair; None: not known, and nothing is intermittent.
    """
    assert logs and 0 <= threshold < 1, (logs, threshold)
    assert typical is None or len(typical) == len(logs), (typical, logs)
    count, ratio = len(logs), math.exp(centre(logs))
    of_typical = None if typical is None else math.exp(centre(typical))
    past = [look for look in plan if look.pairs <= count]
    is_last = ended or count >= plan[-1].pairs
    if not past or (past[-1].pairs != count and not is_last):
        return Verdict("undecided" if is_last else "go on", count, ratio, None, None, None, of_typical)
    look = past[-1]
    low, high = signed_rank_interval(logs[: look.pairs], 1 - look.error)
    bound = math.log1p(-threshold)
    gap, is_intermittent, disagrees = None, False, False
    if typical is not None:
        gap = signed_rank_interval(np.subtract(logs, typical)[: look.pairs].tolist(), 1 - look.error)
        _, typical_high = signed_rank_interval(typical[: look.pairs], 1 - look.error)
        # where it is the base that stalls, a head that no longer does is none the worse, unless its steps are slower
        is_intermittent = gap[1] < bound or (gap[0] > -bound and typical_high < bound)
        disagrees = gap[1] < bound or gap[0] > -bound
    decision: Decision = "undecided" if is_last else "go on"
    if look.pairs == count:
        if high < bound:
            decision = "regression"
        elif is_intermittent:
            decision = "intermittent"
        elif low > bound:
            decision = "pass"
    gap_low, gap_high = (None, None) if gap is None else (math.exp(gap[0]), math.exp(gap[1]))
    return Verdict(
        decision, count, ratio, math.exp(low), math.exp(high), 1 - look.error, of_typical, gap_low, gap_high, disagrees
    )


def centre(logs: Sequence[float]) -> float:
    """The Hodges-Lehmann centre: the median of the Walsh averages."""
    return float(np.median(walsh_averages(np.asarray(logs, dtype=np.float64))))


def boundaries(plan: Sequence[Look]) -> dict[int, int]:
    """Pairs of a look to the place, from 0, of the Walsh average that bounds its interval: for simulations."""
    places = {}
    for look in plan:
        tails = np.cumsum(signed_rank_shares(look.pairs))
        places[look.pairs] = int(np.flatnonzero(tails <= look.error + 1e-12)[-1])
    assert all(first < second for first, second in pairwise(places))
    return places


def guarantee(threshold: float, benchmarks: int) -> str:
    """The error rates in words, with what they assume, for every output."""
    each = " a benchmark" if benchmarks > 1 else ""
    family = f" ({2 * ERROR * benchmarks:.1%} at most over all {benchmarks})" if benchmarks > 1 else ""
    return (
        f"a head whose whole windows are no more than {threshold:.1%} slower fails as slower with a probability of at "
        f"most {ERROR:.1%}{each}, one whose stalls cost no more than that as intermittent with at most {ERROR:.1%}"
        f"{family}, if pairs are independent and their log-ratios symmetric about their centre; an unchanged head "
        "fails far less often"
    )
