"""Combining members: the formula, the search, and what failed members do to an ensemble."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.accuracy import ensemble, overlap
from bench.accuracy.combine import ensemble_records
from bench.accuracy.ensemble import (
    MOST_CANDIDATES,
    combine,
    compositions,
    equal_weights,
    fitting_parts,
    grid_size,
    search_weights,
)
from tests.bench.accuracy.fakes import make_records

TEXT = np.array([[0.6, 0.4], [0.2, 0.8]])
IMAGE = np.array([[0.1, 0.9], [0.3, 0.7]])


def one_hot(labels: list[int], sure: float = 0.9) -> np.ndarray:
    """Probabilities of two classes that are right about `labels`."""
    return np.where(np.eye(2)[labels] > 0, sure, 1 - sure)


def test_the_papers_formula() -> None:
    assert combine([TEXT, IMAGE], [0.5, 0.5]) == pytest.approx(np.array([[0.35, 0.65], [0.25, 0.75]]))
    assert combine([TEXT, IMAGE], [1.0, 0.0]) == pytest.approx(TEXT)


@given(st.integers(1, 6), st.integers(0, 10_000))
@settings(deadline=None, max_examples=30)
def test_an_ensemble_of_probabilities_is_one(num_members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    members = [rng.dirichlet(np.ones(4), 5) for _ in range(num_members)]
    combined = combine(members, rng.dirichlet(np.ones(num_members)))
    assert combined.sum(1) == pytest.approx(np.ones(5))
    assert (combined >= 0).all()


def test_weights_that_do_not_sum_to_one_or_members_that_disagree_are_mistakes() -> None:
    with pytest.raises(AssertionError):
        combine([TEXT, IMAGE], [0.5, 0.6])
    with pytest.raises(AssertionError, match="disagree"):
        combine([TEXT, IMAGE[:1]], [0.5, 0.5])


def test_the_search_finds_the_member_that_is_right() -> None:
    labels = np.array([0, 1, 0, 1])
    wrong, right = one_hot([1, 0, 1, 0]), one_hot([0, 1, 0, 1], sure=0.6)
    search = search_weights([wrong, right], labels)
    # right as soon as 0.1 * w2 > 0.4 * w1: of those candidates the one nearest to equal weights
    assert search.weights == pytest.approx((0.15, 0.85))
    assert (search.accuracy, search.step, search.num_candidates) == (1.0, 0.05, 22)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_ties_are_resolved_towards_equal_weights_for_any_number_of_members(count: int) -> None:
    labels = np.array([0, 1])
    search = search_weights([one_hot([0, 1])] * count, labels)
    assert search.weights == equal_weights(count)


@given(st.integers(2, 4), st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_what_is_found_is_never_less_accurate_than_equal_weights_or_a_member_alone(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, members = rng.integers(0, 3, 20), [rng.dirichlet(np.ones(3), 20) for _ in range(count)]

    def accuracy(weights: object) -> float:
        return float((combine(members, weights).argmax(1) == labels).mean())  # type: ignore[arg-type]

    search = search_weights(members, labels, step=0.2)
    assert search.accuracy == accuracy(search.weights)
    assert math.fsum(search.weights) == pytest.approx(1)
    assert search.accuracy >= max(accuracy(equal_weights(count)), *(accuracy(row) for row in np.eye(count)))


def test_the_grid_is_the_simplex_and_is_bounded() -> None:
    assert len(set(compositions(20, 4))) == grid_size(4, 20) == 1771
    assert fitting_parts(2, 0.05) == fitting_parts(4, 0.05) == 20
    for count in (6, 8, 20):
        parts = fitting_parts(count, 0.05)
        assert grid_size(count, parts) <= MOST_CANDIDATES < grid_size(count, parts + 1)


def test_weights_are_searched_on_validation_and_never_on_test() -> None:
    right, wrong = {"val": one_hot([0, 1]), "test": one_hot([1, 0])}, {"val": one_hot([1, 0]), "test": one_hot([0, 1])}
    labels, codes = np.array([0, 1, 0, 1]), np.array([1, 1, 2, 2], np.int8)
    members = make_records({("pt", "image"): 0.5, ("pt", "text"): 0.5}, 1, classes=("a", "b"))[:2]
    predictions = {members[0].result_id: right, members[1].result_id: wrong}
    equal, searched = ensemble_records(members, predictions, labels, codes)
    assert searched.parts[0].weight > 0.5 > searched.parts[1].weight
    assert (searched.accuracy["val"], searched.accuracy["test"]) == (1.0, 0.0)
    assert {part.weight for part in equal.parts} == {0.5}


def test_an_ensemble_is_verified_only_where_all_its_members_are() -> None:
    members = make_records({("pt", "image"): 0.5, ("tf", "image"): 0.5}, 1)[:2]
    half = [members[0], members[1].model_copy(update={"certificate": "unverified"})]
    for given_members, expected in ((members, "verified"), (half, "unverified")):
        records = ensemble_records(given_members, {}, np.zeros(1), np.zeros(1))
        assert {(r.framework, r.certificate, r.status) for r in records} == {("pt+tf", expected, "skipped")}


@pytest.mark.parametrize("module", [ensemble, overlap])
def test_examples_of_the_docstrings(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
