"""Outliers, blocks, autocorrelation and drift of steps, against sequences whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from bench.statistics.intervals import outlying
from bench.statistics.steps import autocorrelation, blocks, drift, thirds


def test_slow_steps_are_counted_with_their_share_of_the_time() -> None:
    steps = [0.10, 0.11, 0.09] * 9 + [0.5, 0.2, 0.3]
    found = outlying(steps)
    # median 0.10; of the deviations 12 are at most 0 in 27 and the median of all is 0.01: beyond 0.10 + 5 * 0.014826
    assert found.threshold == pytest.approx(0.10 + 5 * 1.4826 * 0.01)
    assert (found.count, found.steps) == (3, 30)
    assert found.share == pytest.approx(1.0 / 3.7)


def test_fast_steps_and_rounding_are_no_outliers() -> None:
    assert outlying([0.1] * 29 + [0.001]).count == 0
    assert outlying([0.1] * 29 + [math.nextafter(0.1, 1)]).count == 0
    assert outlying([0.1] * 29 + [0.2]).count == 1
    assert outlying([0.1]).count == 0


def test_of_independent_normal_steps_hardly_one_is_outlying() -> None:
    steps = np.random.default_rng(0).normal(1.0, 0.1, 10_000)
    assert outlying(steps.tolist()).count <= 1


def test_blocks_are_means_of_consecutive_steps() -> None:
    assert blocks([1.0, 3.0, 5.0, 7.0, 100.0], 2) == [2.0, 6.0]
    assert blocks([1.0], 2) == []


@pytest.mark.parametrize("phi", [0.0, 0.45, 0.8])
def test_autocorrelation_finds_that_of_a_known_process(phi: float) -> None:
    shocks = np.random.default_rng(1).normal(size=20_000)
    noise = lfilter([1], [1, -phi], shocks)
    steps = 100 + noise + np.linspace(0, 10, len(noise))  # the drift is none of it
    assert autocorrelation(steps.tolist()) == pytest.approx(phi, abs=0.03)
    steps[::1000] = 1000  # nor do some outliers hide it
    assert autocorrelation(steps.tolist()) == pytest.approx(phi, abs=0.03)
    # means of long blocks are as good as independent
    assert abs(autocorrelation(blocks(steps.tolist(), 100))) < 0.25


def test_alternating_and_equal_steps() -> None:
    assert autocorrelation([1.0, 2.0] * 10) < -0.8
    assert autocorrelation([1.0] * 10) == 0.0


def test_drift_is_the_change_over_the_window() -> None:
    steps = np.linspace(0.9, 1.1, 31)
    assert drift(steps.tolist()) == pytest.approx(0.2, rel=0.05)
    assert drift(steps[::-1].tolist()) == pytest.approx(-0.2, rel=0.05)
    steps[-1] = 50.0
    assert drift(steps.tolist()) == pytest.approx(0.2, rel=0.1)
    assert drift([2.0] * 3) == 0.0


@pytest.mark.parametrize("steps", [[], [1.0, math.nan, 1.0], [1.0, 2.0]])
def test_too_few_steps_or_none_measured_are_the_callers_mistake(steps: list[float]) -> None:
    for function in (autocorrelation, drift):
        with pytest.raises(AssertionError):
            function(steps)
    with pytest.raises(AssertionError):
        blocks(steps, 0)


def test_thirds_count_every_step_and_a_slow_one_is_in_their_noise() -> None:
    even = thirds([1.1] * 10 + [5.0] * 10 + [1.0] * 10)
    assert (even.drift, even.noise) == (pytest.approx(0.1), pytest.approx(0.0))
    one_slow = thirds([1.0] * 9 + [4.0] + [1.0] * 20)
    assert one_slow.drift == pytest.approx(0.3)
    assert one_slow.noise is not None
    assert one_slow.drift < 2 * one_slow.noise
    assert thirds([1.0, 1.0, 2.0, 2.0]).noise is None


@pytest.mark.parametrize("alike", [0.0, 0.45])
def test_the_noise_of_thirds_is_how_far_drifts_scatter(alike: float) -> None:
    rng = np.random.default_rng(3)
    shocks = rng.normal(0.0, 0.1 * math.sqrt(1 - alike**2), (400, 90))
    steps = 1 + lfilter([1], [1, -alike], shocks, axis=-1)[:, 30:]
    found = [thirds(each.tolist()) for each in steps]
    scatter = float(np.std([each.drift for each in found]))
    assert np.median([each.noise for each in found]) == pytest.approx(scatter, rel=0.3)  # type: ignore[type-var]
