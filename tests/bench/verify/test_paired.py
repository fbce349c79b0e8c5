"""The paired test of rung 7 and what it promises to see."""

from __future__ import annotations

import numpy as np
import pytest

from bench.verify.paired import POWER, mcnemar_p, power, smallest_difference


def test_only_documents_that_one_network_has_right_count() -> None:
    assert mcnemar_p(0, 0) == mcnemar_p(7, 7) == 1.0
    assert mcnemar_p(7, 0) == pytest.approx(2 * 0.5**7)
    assert mcnemar_p(7, 0) == mcnemar_p(0, 7)


def seen(documents: int, discordant: float, difference: float, times: int = 4000) -> float:
    """The share of invented pairs of networks in which the test sees their difference at p = 0.01."""
    rng = np.random.default_rng(0)
    first, second = (discordant + difference) / 2, (discordant - difference) / 2
    drawn = rng.multinomial(documents, [first, second, 1 - discordant], times)
    known = {pair: mcnemar_p(*pair) <= 0.01 for pair in {(int(a), int(b)) for a, b, _ in drawn}}
    return float(np.mean([known[int(a), int(b)] for a, b, _ in drawn]))


@pytest.mark.parametrize("discordant", [0.0, 0.01, 0.05])
def test_the_smallest_difference_is_seen_in_eight_of_ten_trials(discordant: float) -> None:
    smallest = smallest_difference(1000, discordant, 0.01)
    assert seen(1000, max(discordant, smallest), smallest) == pytest.approx(POWER, abs=0.03)


@pytest.mark.parametrize(("documents", "discordant", "difference"), [(1000, 0.02, 0.01), (300, 0.1, 0.05)])
def test_the_power_is_that_of_invented_trials(documents: int, discordant: float, difference: float) -> None:
    assert seen(documents, discordant, difference) == pytest.approx(
        power(documents, discordant, difference, 0.01), abs=0.03
    )


def test_an_unchanged_network_is_seldom_called_different() -> None:
    assert seen(1000, 0.03, 0.0) <= 0.01 + 0.005


def test_few_documents_see_nothing() -> None:
    assert smallest_difference(5, 0.0, 0.01) == smallest_difference(0, 0.0, 0.01) == 1.0
