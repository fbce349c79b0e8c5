"""The wing's losses of distillation against NumPy: values, gradients, large logits, shares of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import distilled
from tests.tiny_text import closeness

tf = pytest.importorskip("tensorflow")

from tf_impl import losses as ours  # noqa: E402

SETTINGS = list(distilled.settings())
IDS = [f"{each['form']}-{each['direction']}" for each in SETTINGS]
every_case = pytest.mark.parametrize("how", SETTINGS, ids=IDS)
every_loss = pytest.mark.parametrize("name", distilled.NAMES)


def computed(name: str, case: distilled.Case) -> tuple[float, np.ndarray]:
    """The loss and its gradient."""
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = getattr(ours, name)(logits, tf.constant(case.labels), **case.settings)
    assert loss.shape == () and loss.dtype == logits.dtype
    return float(loss), tape.gradient(loss, logits).numpy()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_case
@every_loss
def test_values_and_gradients(name: str, how: dict[str, Any], dtype: type) -> None:
    tolerance = 1e-12 if dtype is np.float64 else 2e-6
    for seed in range(3):
        case = distilled.some(name, how, seed, dtype=dtype)
        loss, gradient = computed(name, case)
        assert loss == pytest.approx(distilled.value(name, case), rel=tolerance)
        assert closeness(gradient, distilled.gradient(name, case)) < tolerance


@every_case
@every_loss
def test_logits_of_a_hundred(name: str, how: dict[str, Any]) -> None:
    """In float32 probabilities of such logits are 0 and 1, and their logarithms would be infinite."""
    for temperature in (1.0, 4.0):
        case = distilled.some(name, {**how, "temperature": temperature}, size=100.0, dtype=np.float32)
        loss, gradient = computed(name, case)
        assert loss == pytest.approx(distilled.value(name, case), rel=1e-5)
        # differences of numbers of a hundred, in seven digits
        assert closeness(gradient, distilled.gradient(name, case)) < 1e-4


@every_loss
def test_a_student_that_says_what_its_teacher_says(name: str) -> None:
    """Nothing is left but the labels' own loss."""
    for how in SETTINGS:
        case = distilled.some(name, how, size=100.0)
        same = case._replace(logits=case.teacher)
        alone = same._replace(settings={**how, "weight": 0.0})
        assert computed(name, same)[0] == pytest.approx(computed(name, alone)[0], rel=1e-12)


@every_loss
def test_directions_are_two(name: str) -> None:
    one, other = ({**SETTINGS[0], "direction": direction} for direction in distilled.DIRECTIONS)
    case = distilled.some(name, one)
    assert abs(computed(name, case)[0] / computed(name, case._replace(settings=other))[0] - 1) > 0.01


@pytest.mark.parametrize("replicas", [2, 3])
@every_case
@every_loss
def test_the_mean_over_replicas_is_the_loss_of_the_whole(name: str, how: dict[str, Any], replicas: int) -> None:
    case = distilled.some(name, how)
    shares = [computed(name, distilled.share(case, replica, replicas)) for replica in range(replicas)]
    loss, gradient = computed(name, case)
    assert np.mean([each for each, _ in shares]) == pytest.approx(loss, rel=1e-12)
    assert closeness(np.concatenate([each for _, each in shares]) / replicas, gradient) < 1e-12
