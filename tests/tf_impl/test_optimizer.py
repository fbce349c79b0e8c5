"""The wing's SGD against the rule of shared.sgd, under a changing rate."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")

from shared.family import ParameterGroup  # noqa: E402
from shared.schedule import slanted_triangular  # noqa: E402
from shared.sgd import sgd_step  # noqa: E402
from tf_impl.optimizer import Sgd  # noqa: E402

RATES = slanted_triangular(20, 0.5, 0.1, 32.0)
SETTINGS = tiny.workload(optimizer__weight_decay=0.01).optimizer
GROUPS = {"weight": ParameterGroup(1.0, SETTINGS.weight_decay)}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_twenty_steps_follow_the_shared_rule(dtype: type, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    start = rng.standard_normal(50).astype(dtype)
    parameter = tf.Variable(start)
    optimizer = Sgd({"weight": parameter}, GROUPS, SETTINGS)
    weight, buffer = start.astype(np.float64), np.zeros(50)
    for rate in RATES:
        gradient = rng.standard_normal(50).astype(dtype)
        optimizer.apply([tf.constant(gradient)], tf.constant(rate, dtype), None)
        weight, buffer = sgd_step(weight, buffer, gradient, rate, SETTINGS.momentum, SETTINGS.weight_decay)
    assert tiny.closeness(parameter, weight) < tolerance


def test_a_step_that_is_not_finite_changes_neither_weight_nor_buffer() -> None:
    parameter = tf.Variable([1.0, 2.0])
    optimizer = Sgd({"weight": parameter}, GROUPS, SETTINGS)
    optimizer.apply([tf.constant([1.0, 1.0])], tf.constant(0.1), tf.constant(True))
    weight, buffer = parameter.numpy().copy(), optimizer.buffers[0].numpy().copy()
    optimizer.apply([tf.constant([np.inf, 1.0])], tf.constant(0.1), tf.constant(False))
    assert np.array_equal(parameter, weight)
    assert np.array_equal(optimizer.buffers[0], buffer)
