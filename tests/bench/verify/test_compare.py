"""The distances that the ladder judges by."""

import math

import numpy as np
import pytest

from bench.verify.compare import distance, logit_error, scale, worst


def test_worst_names_the_tensor_with_the_largest_relative_error() -> None:
    a = {"x.weight": np.ones(4), "y.weight": np.full(4, 2.0)}
    b = {"x.weight": np.ones(4) * 1.01, "y.weight": np.full(4, 2.0)}
    error, name = worst(a, b)
    assert name == "x.weight"
    assert error == pytest.approx(0.01 / 1.01)


def test_equal_tensors_are_at_distance_zero_even_where_they_are_zero() -> None:
    zeros = {"x.weight": np.zeros(3)}
    assert worst(zeros, zeros) == (0.0, "x.weight")


@pytest.mark.parametrize("other", [{"x": np.ones(3)}, {"x": np.ones(2), "y": np.ones(2)}])
def test_another_shape_or_another_name_is_infinitely_far(other: dict[str, np.ndarray]) -> None:
    assert worst({"x": np.ones(2)}, other)[0] == math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_values_that_are_not_finite_are_infinitely_far_even_from_themselves(bad: float) -> None:
    array = np.array([1.0, bad])
    assert distance(array, array) == math.inf


def test_a_bias_counts_in_units_of_its_layers_weight() -> None:
    arrays = {"x.norm.bias": np.array([1e-15]), "x.norm.weight": np.array([2.0])}
    assert scale("x.norm.bias", arrays) == 2.0


def test_a_bias_of_a_part_of_a_layer_counts_in_units_of_its_layers_weight_too() -> None:
    arrays = {"x.projections.weight": np.full(4, 1.0), "x.projections.query_bias": np.zeros(3), "y_bias": np.ones(4)}
    assert scale("x.projections.query_bias", arrays) == 2.0
    assert scale("y_bias", arrays) == 2.0


def test_a_large_bias_counts_in_its_own_units() -> None:
    arrays = {"x.norm.bias": np.array([5.0]), "x.norm.weight": np.array([2.0])}
    assert scale("x.norm.bias", arrays) == 5.0


def test_a_running_mean_counts_in_deviations() -> None:
    arrays = {"x.running_mean": np.array([1e-16]), "x.running_var": np.array([9.0])}
    assert scale("x.running_mean", arrays) == 3.0


def test_logit_error_is_a_share_of_the_largest_logit() -> None:
    assert logit_error(np.array([1.0, -4.0]), np.array([1.0, -4.2])) == pytest.approx(0.2 / 4.2)
