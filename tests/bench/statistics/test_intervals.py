"""Medians and ratios with their intervals: known answers, what must hold for any values, bad input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.statistics.intervals import (
    Estimate,
    attainable_level,
    fewest,
    median,
    ratio,
    signed_rank_interval,
    signed_rank_shares,
    smallest_p,
    text,
)

positive = st.floats(0.01, 1e4)
several = st.lists(positive, min_size=1, max_size=25)
pairs = st.lists(st.tuples(positive, positive), min_size=1, max_size=12)


def test_the_interval_of_five_values_is_from_the_lowest_to_the_highest() -> None:
    assert median([5.0, 1.0, 2.0, 4.0, 3.0]) == Estimate(3.0, 1.0, 5.0, 5, 0.9375, 0.9375)


def test_the_interval_of_seven_values_is_interpolated_as_published() -> None:
    # [x1, x7] holds with 1 - 2/128, [x2, x6] with 1 - 16/128: I = (0.984375 - 0.95) / 0.109375, and by Hettmansperger
    # and Sheather lambda = (n - k) I / (k + (n - 2k) I) with n = 7, k = 1
    share = (0.984375 - 0.95) / 0.109375
    step = 6 * share / (1 + 5 * share)
    estimate = median([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert (estimate.low, estimate.high) == (pytest.approx(1 + step), pytest.approx(7 - step))


@pytest.mark.parametrize(("count", "attainable"), [(1, 0.0), (2, 0.5), (3, 0.75), (4, 0.875)])
def test_too_few_values_have_no_interval_and_say_what_they_could_have(count: int, attainable: float) -> None:
    values = [float(value) for value in range(1, count + 1)]
    for estimate in (median(values), ratio(values, values[::-1])):
        assert (estimate.low, estimate.high, estimate.interval) == (None, None, None)
        assert (estimate.count, estimate.attainable) == (count, attainable)


def test_a_lower_level_needs_fewer_values() -> None:
    assert median([1.0, 2.0, 3.0], level=0.75).interval == (1.0, 3.0)
    assert [fewest(level) for level in (0.5, 0.75, 0.95, 0.99)] == [2, 3, 5, 8]
    assert all(attainable_level(fewest(level)) >= 1 - 1.4 * (1 - level) for level in (0.8, 0.9, 0.95, 0.999))


def test_ratio_of_known_pairs() -> None:
    under = [10.0, 20.0, 30.0, 40.0, 50.0]
    estimate = ratio([2 * value for value in under], under)
    assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(2.0),) * 3
    # five pairs: the Walsh averages' ends are the smallest and the largest ratio; their median is that of 15 averages
    logs = [0.0, 0.1, 0.2, 0.4, 0.8]
    estimate = ratio([math.exp(log) for log in logs], [1.0] * 5)
    averages = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(logs, 2))
    assert estimate.value == pytest.approx(math.exp(averages[7]))
    assert estimate.interval == (pytest.approx(1.0), pytest.approx(math.exp(0.8)))


def test_drift_that_both_of_a_pair_met_cancels() -> None:
    drift = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    estimate = ratio([84 * share for share in drift], [100 * share for share in drift])
    assert estimate.interval == (pytest.approx(0.84), pytest.approx(0.84))
    assert estimate.interval != median([84 * share for share in drift]).interval


@pytest.mark.parametrize("count", range(1, 10))
def test_signed_rank_distribution_against_all_signs(count: int) -> None:
    sums = [
        sum(rank for rank, sign in enumerate(signs, 1) if sign) for signs in itertools.product((0, 1), repeat=count)
    ]
    counted = np.bincount(sums) / 2**count
    np.testing.assert_allclose(signed_rank_shares(count), counted, atol=1e-15)


@pytest.mark.parametrize(("count", "level"), [(7, 0.95), (7, 0.99), (8, 0.995), (10, 0.99), (12, 0.995)])
def test_a_strict_bound_is_never_less_certain_than_asked_for(count: int, level: float) -> None:
    # the bounds exclude 0 just where scipy's exact one-sided test rejects at 1 - level
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(count)
    verdicts = set()
    for shift in np.linspace(-1.5, 2.5, 60):
        logs = rng.normal(shift, 1.0, count).tolist()
        low, high = signed_rank_interval(logs, level)
        above = wilcoxon(logs, alternative="greater", method="exact").pvalue <= 1 - level + 1e-12
        below = wilcoxon(logs, alternative="less", method="exact").pvalue <= 1 - level + 1e-12
        assert (low > 0, high < 0) == (above, below)
        verdicts.add(above)
    assert verdicts == {True, False}


def test_six_pairs_can_never_reach_a_p_of_a_hundredth_and_seven_can() -> None:
    assert (smallest_p(6), smallest_p(7)) == (1 / 64, 1 / 128)
    assert signed_rank_interval([-1.0] * 6, 0.99) == (-math.inf, math.inf)
    assert signed_rank_interval([-1.0] * 7, 0.99) == (-1.0, -1.0)


@settings(deadline=None)
@given(several, st.floats(1e-3, 1e3))
@example([1.0] * 5 + [7992.383225111961] * 2, 1.0)  # a weighted mean of two equal values is not always the value
def test_a_median_follows_the_unit_and_lies_in_its_interval(values: list[float], factor: float) -> None:
    estimate, scaled = median(values), median([value * factor for value in values])
    assert scaled.value == pytest.approx(estimate.value * factor)
    assert (estimate.interval is None) == (len(values) < 5) == (scaled.interval is None)
    if estimate.interval and scaled.interval:
        low, high = estimate.interval
        assert min(values) <= low <= estimate.value <= high <= max(values)
        assert scaled.interval == (pytest.approx(low * factor), pytest.approx(high * factor))
        assert estimate.scaled(factor).interval == (low * factor, high * factor)


@settings(deadline=None)
@given(several, st.randoms())
def test_the_order_of_processes_does_not_matter_and_nothing_is_drawn_at_random(values: list[float], random) -> None:
    shuffled = random.sample(values, len(values))
    assert median(shuffled) == median(values)


@settings(deadline=None)
@given(pairs, st.floats(1e-2, 1e2))
def test_a_ratio_turned_round_is_its_inverse_and_a_factor_moves_it(found: list[tuple[float, float]], by: float) -> None:
    over, under = zip(*found, strict=True)
    estimate, inverse = ratio(over, under), ratio(under, over)
    scaled = ratio([value * by for value in over], under)
    assert inverse.value == pytest.approx(1 / estimate.value)
    assert scaled.value == pytest.approx(estimate.value * by)
    if estimate.interval and inverse.interval and scaled.interval:
        low, high = estimate.interval
        assert low * (1 - 1e-12) <= estimate.value <= high * (1 + 1e-12)
        assert inverse.interval == (pytest.approx(1 / high), pytest.approx(1 / low))
        assert scaled.interval == (pytest.approx(low * by), pytest.approx(high * by))


@settings(deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=1, max_size=15), st.sampled_from([0.9, 0.95, 0.99]))
def test_a_stricter_level_gives_wider_bounds(logs: list[float], level: float) -> None:
    low, high = signed_rank_interval(logs, level)
    wider_low, wider_high = signed_rank_interval(logs, 1 - (1 - level) / 2)
    assert wider_low <= low <= high <= wider_high


@settings(deadline=None)
@given(st.lists(positive, min_size=8, max_size=25))
def test_a_stricter_level_gives_a_wider_interval_of_the_median(values: list[float]) -> None:
    found = [median(values, level).interval for level in (0.8, 0.9, 0.95, 0.99)]
    for inner, outer in itertools.pairwise(found):
        assert inner is not None and outer is not None
        assert outer[0] <= inner[0] * (1 + 1e-12) and inner[1] <= outer[1] * (1 + 1e-12)


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf], [-1.0, 2.0]])
def test_what_cannot_be_a_measurement_is_the_callers_mistake(values: Sequence[float]) -> None:
    with pytest.raises(AssertionError):
        median(values)
    with pytest.raises(AssertionError):
        ratio(values, values)


def test_a_ratio_needs_pairs_of_positive_values() -> None:
    with pytest.raises(AssertionError, match="2 values over 1"):
        ratio([1.0, 2.0], [1.0])
    with pytest.raises(AssertionError, match="not positive"):
        ratio([1.0], [0.0])
    with pytest.raises(AssertionError, match=r"0\.05"):
        signed_rank_interval([1.0] * 7, 0.05)  # an error rate where a level belongs


def test_text_shows_the_interval_where_there_is_one() -> None:
    assert text(median([84.94, 86.12, 86.1, 87.28, 86.3]), 1) == "86.1 [84.9, 87.3]"
    assert text(median([86.12]), 2) == "86.12"
