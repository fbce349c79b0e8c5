"""What is said to be shown in 80 % of runs is: counted in simulated runs, of which the first knows its noise alone."""

from __future__ import annotations

import doctest

import pytest

from bench.records import sittings
from bench.statistics import power, words
from bench.statistics.intervals import Estimate, ratio
from bench.statistics.power import MOST_PAIRS, paired_factor, shown_share
from bench.studies.coverage.power import share_shown


@pytest.mark.parametrize("pairs", [5, 7, 10, 20])
@pytest.mark.parametrize("noise", ["normal", "heavy-tailed"])
def test_a_difference_that_is_said_to_be_shown_is_shown_in_80_of_100_new_runs(pairs: int, noise: str) -> None:
    # the factor is that of normal noise; heavier tails make half-widths that differ more from run to run
    few = 0.04 if noise == "normal" else 0.06
    assert share_shown(pairs, noise, experiments=20_000) == pytest.approx(0.8, abs=few)


@pytest.mark.parametrize("pairs", [5, 7, 20])
def test_the_half_width_of_an_interval_would_not_be(pairs: int) -> None:
    assert share_shown(pairs, "normal", experiments=20_000, factor=1.0) < 0.65


def test_more_than_the_half_width_is_said_and_nothing_without_an_interval() -> None:
    found = ratio([1.0, 1.1, 0.95, 1.02, 0.97], [1.0] * 5)
    assert found.low is not None and found.high is not None
    said = shown_share(found)
    assert said is not None
    assert said > (found.high / found.low) ** 0.5 - 1
    assert shown_share(ratio([1.0, 1.1], [1.0, 1.0])) is None
    assert shown_share(Estimate(1.0, 1.0, 1.0, 5, 0.9375, 0.9375)) == 0.0


def test_more_pairs_than_are_drawn_have_a_factor_too() -> None:
    assert paired_factor(10 * MOST_PAIRS, 0.95) == pytest.approx(paired_factor(MOST_PAIRS, 0.95), rel=0.01)


@pytest.mark.parametrize("module", [power, words, sittings])
def test_examples(module) -> None:
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)
