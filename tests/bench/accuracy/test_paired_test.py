"""Statistics over splits: known answers, and how often the test cries wolf."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import beta

from bench.accuracy.statistics import describe_test, paired_test, spread


def test_the_spread_of_known_accuracies() -> None:
    found = spread({0: 0.9, 1: 0.8, 2: 0.7, 3: 0.6, 4: 0.5}, mean_splits=3)
    assert found is not None
    assert (found.median, found.mean_first, found.lowest, found.highest) == pytest.approx((0.7, 0.8, 0.5, 0.9))
    assert (found.lower_quartile, found.upper_quartile) == pytest.approx((0.6, 0.8))


def test_the_mean_of_the_first_splits_needs_all_of_them() -> None:
    found = spread({0: 0.9, 2: 0.7}, mean_splits=3)
    assert found is not None
    assert found.mean_first is None
    assert spread({}, 3) is None


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1.0] * 10, 2 / 1024),
        ([3.0, 2.0, 1.0], 2 / 8),
        ([3.0, 2.0, -1.0], 4 / 8),  # the sum, 4, is reached or passed by 4 and 6, and their negatives
        ([1.0, -1.0], 1.0),
        ([0.0, 0.0, 0.0], 1.0),
        ([5.0], 1.0),
        ([0.0] * 5 + [1.0] * 5, 2 / 32),  # a split without a difference has nothing to flip
    ],
)
def test_the_exact_p_of_known_differences(differences: list[float], p: float) -> None:
    test = paired_test(differences, [0.0] * len(differences))
    assert test.p == pytest.approx(p)
    assert test.mean_difference == pytest.approx(np.mean(differences))
    assert test.p >= test.attainable - 1e-12


def test_swapping_the_frameworks_turns_the_difference_and_keeps_p() -> None:
    a, b = [0.91, 0.93, 0.90, 0.95], [0.90, 0.94, 0.88, 0.93]
    there, back = paired_test(a, b), paired_test(b, a)
    assert there.p == back.p
    assert there.mean_difference == -back.mean_difference


def test_differences_that_are_equal_but_for_rounding_are_tied() -> None:
    # 0.3 - 0.2 and 0.2 - 0.1 differ in the last bit
    assert paired_test([0.3, 0.2, 0.1], [0.2, 0.1, 0.2]).p == 1.0


def test_over_all_signs_of_fixed_differences_p_is_never_too_small() -> None:
    magnitudes = np.array([0.1, 0.4, 0.2, 0.9, 0.3, 0.3, 0.05, 0.6])
    values = [paired_test(magnitudes * signs, np.zeros(8)).p for signs in itertools.product((1, -1), repeat=8)]
    for level in (0.01, 0.05, 0.1, 0.5):
        assert np.mean(np.array(values) <= level + 1e-12) <= level


def test_frameworks_that_train_alike_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(7)
    runs, alarms = 600, 0
    for _ in range(runs):
        split = rng.normal(0.9, 0.02, 10)  # some splits are harder, for both
        a, b = (np.round((split + rng.normal(0, 0.005, 10)) * 2482) / 2482 for _ in range(2))
        alarms += paired_test(a, b).p <= 0.05
    assert beta.ppf(0.01, alarms, runs - alarms + 1) <= 0.05  # 99 % sure that the rate is not above


def test_a_difference_of_one_deviation_is_mostly_found() -> None:
    rng = np.random.default_rng(7)
    found = sum(paired_test(rng.normal(0.012, 0.01, 10), np.zeros(10)).p <= 0.05 for _ in range(100))
    assert found > 80


@pytest.mark.parametrize(("count", "claimed"), [(2, False), (5, False), (6, False), (7, True), (10, True)])
def test_few_splits_claim_nothing_and_say_what_was_attainable(count: int, claimed: bool) -> None:
    line = describe_test(paired_test([0.9] * count, [0.8] * count), "A", "B")
    assert f"smallest attainable: {2.0 ** (1 - count):.2g}" in line
    assert ("too few differing splits" not in line) == claimed
    assert line.startswith(f"A - B: +10.00 points on average over {count} splits")


def test_more_pairs_than_can_be_flipped_in_all_ways_are_sampled() -> None:
    rng = np.random.default_rng(0)
    alike, apart = rng.normal(0, 1, 30), rng.normal(1, 1, 30)
    assert paired_test(alike, np.zeros(30)).p > 0.05
    assert paired_test(apart, np.zeros(30)).p < 1e-3
    assert paired_test(alike, np.zeros(30)) == paired_test(alike, np.zeros(30))
