"""When a gate fails, passes, or goes on measuring: a group sequential rule on paired log-ratios.

A pair is two fresh processes, one of the base and one of the head; d = log(head's throughput / base's). After 7, 10,
14 and 20 pairs the rule looks at both one-sided exact bounds of Wilcoxon's signed-rank test (the Hodges-Lehmann
interval). A look may be wrong with the probability that is spent on it, and the looks together spend ERROR, so:

- a head that is no slower than the threshold allows fails with a probability of at most 2.5 % a benchmark, however
  many looks there are, and wherever the gate ends early (a time limit, an interrupt: fewer looks, fewer errors);
- a head that is slower than the threshold passes as "shown" with a probability of at most 2.5 %.

A gate with several benchmarks fails falsely with at most the sum. Both hold exactly in finite samples if the pairs are
independent and their log-ratios lie symmetrically about their centre; nothing is assumed about their spread. An
unchanged head is a threshold away from failing and fails far less often (`python -m bench.gate.simulate` counts it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np

from bench.stats import signed_rank_interval, signed_rank_shares, smallest_p, walsh_averages
from shared.errors import UserError

ERROR = 0.025  # of either kind, a benchmark
FEWEST_PAIRS = 7  # fewer give p = 1/64 at best: no room for a second look
MOST_PAIRS = 20
LARGEST = 200
GROWTH = 1.4  # from a look to the next

Decision = Literal["regression", "pass", "undecided", "go on"]


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
    smallest: float | None  # the smallest slow-down that would have failed, given this spread; a share


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


def judge(logs: Sequence[float], threshold: float, plan: Sequence[Look], ended: bool = False) -> Verdict:
    """What to do after so many pairs.

    Args:
        logs: log(head / base) of every pair so far.
        threshold: the slow-down that is allowed, a share in [0, 1).
        plan: the looks.
        ended: there will be no more pairs, whatever the plan says.
    """
    assert logs and 0 <= threshold < 1, (logs, threshold)
    count, centre = len(logs), _centre(logs)
    past = [look for look in plan if look.pairs <= count]
    is_last = ended or count >= plan[-1].pairs
    if not past or (past[-1].pairs != count and not is_last):
        return Verdict("undecided" if is_last else "go on", count, math.exp(centre), None, None, None, None)
    look = past[-1]
    low, high = signed_rank_interval(logs[: look.pairs], 1 - look.error)
    bound = math.log1p(-threshold)
    decision: Decision
    if look.pairs == count and high < bound:
        decision = "regression"
    elif look.pairs == count and low > bound:
        decision = "pass"
    else:
        decision = "undecided" if is_last else "go on"
    smallest = 1 - math.exp(bound - (high - _centre(logs[: look.pairs])))
    return Verdict(decision, count, math.exp(centre), math.exp(low), math.exp(high), 1 - look.error, smallest)


def _centre(logs: Sequence[float]) -> float:
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
    """The error rates in words, for every output."""
    several = f", {ERROR * benchmarks:.1%} over all {benchmarks}" if benchmarks > 1 else ""
    return (
        f"a head no more than {threshold:.1%} slower fails with a probability of at most {ERROR:.1%} a benchmark"
        f"{several}; an unchanged one far less often"
    )
