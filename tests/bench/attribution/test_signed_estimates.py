"""Medians and differences of values that may be negative."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.attribution import estimates
from bench.statistics import intervals

VALUES = st.lists(st.floats(-1e3, 1e3).map(lambda value: round(value, 3)), min_size=5, max_size=15)


def test_of_positive_values_it_is_the_houses_median() -> None:
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0]
    ours, theirs = estimates.median(values), intervals.median(values)
    assert ours.value == theirs.value
    assert ours.interval == pytest.approx(theirs.interval)


@given(VALUES, st.floats(-100, 100))
def test_an_interval_moves_with_its_values(values: list[float], by: float) -> None:
    there, moved = estimates.median(values), estimates.median([value + by for value in values])
    assert moved.value == pytest.approx(there.value + by)
    assert moved.interval == pytest.approx([bound + by for bound in there.interval or ()])


def test_the_difference_of_pairs() -> None:
    under = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
    over = [value + change for value, change in zip(under, (1, 2, 3, 4, 5, 6, 7), strict=True)]
    found = estimates.difference(over, under)
    assert found.value == 4.0
    # of 28 averages the third from either end: an exact level of 95.3 %
    assert found.interval == (2.0, 6.0)
    assert estimates.excludes_zero(found) is True
    assert estimates.excludes_zero(estimates.difference([1.0, -1.0, 1.0, -1.0, 1.0], [0.0] * 5)) is False
    assert estimates.excludes_zero(estimates.difference([1.0], [0.0])) is None


def test_its_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        found = estimates.difference(list(rng.normal(-0.3, 1.0, 7)), [0.0] * 7)
        low, high = found.interval or (0.0, 0.0)
        held += low <= -0.3 <= high
    assert 930 <= held <= 970


def test_a_pair_needs_two() -> None:
    with pytest.raises(AssertionError, match="2 values less 1"):
        estimates.difference([1.0, 2.0], [1.0])
