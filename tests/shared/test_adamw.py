"""The update rule AdamW."""

from __future__ import annotations

import numpy as np
import pytest

from shared.adamw import adamw_step
from tests import tiny_text

SETTINGS = tiny_text.workload().optimizer


def test_the_first_step_is_the_sign_of_the_gradient_and_the_decay() -> None:
    gradient = np.array([2.0, -1e-4, 0.0])
    weight, first, second = adamw_step(np.ones(3), np.zeros(3), np.zeros(3), gradient, 1, 0.1, 0.5, SETTINGS)
    expected = 1 - 0.1 * 0.5 - 0.1 * gradient / (np.abs(gradient) + 1e-8)
    np.testing.assert_allclose(weight, expected, rtol=1e-12)
    np.testing.assert_allclose(first, 0.1 * gradient, rtol=1e-12)
    np.testing.assert_allclose(second, 0.001 * gradient**2, rtol=1e-12)


def test_a_weight_without_gradient_only_decays() -> None:
    weight, *_ = adamw_step(np.full(2, 3.0), np.zeros(2), np.zeros(2), np.zeros(2), 1, 0.1, 0.2, SETTINGS)
    np.testing.assert_allclose(weight, 3.0 * (1 - 0.1 * 0.2), rtol=1e-15)


def test_epsilon_stands_outside_the_corrected_root() -> None:
    """Where the gradient is as small as epsilon, the place of epsilon shows: Keras's would give 0.03 of the rate."""
    weight, *_ = adamw_step(np.zeros(1), np.zeros(1), np.zeros(1), np.array([1e-8]), 1, 1.0, 0.0, SETTINGS)
    assert weight[0] == pytest.approx(-0.5, rel=1e-9)
