"""The wing's losses against NumPy: values, gradients, what is not labelled, shares of a batch."""

from __future__ import annotations

import numpy as np
import pytest

from tests import losses
from tests.tiny_text import closeness

tf = pytest.importorskip("tensorflow")

from tf_impl import losses as ours  # noqa: E402


def computed(name: str, case: losses.Case) -> tuple[float, list[np.ndarray]]:
    """The loss and its gradients."""
    logits = [tf.constant(part) for part in case.logits]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = getattr(ours, name)(*logits, tf.constant(case.labels), tf.constant(case.weights))
    assert loss.shape == () and loss.dtype == logits[0].dtype
    return float(loss), [gradient.numpy() for gradient in tape.gradient(loss, logits)]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", losses.NAMES)
def test_values_and_gradients(name: str, dtype: type) -> None:
    tolerance = 1e-12 if dtype is np.float64 else 1e-5
    for seed in range(5):
        case = losses.some(name, seed, dtype=dtype)
        loss, gradients = computed(name, case)
        assert loss == pytest.approx(losses.value(name, case), rel=tolerance)
        for found, expected in zip(gradients, losses.gradients(name, case), strict=True):
            assert closeness(found, expected) < tolerance


@pytest.mark.parametrize("name", losses.NAMES)
def test_what_is_not_labelled_counts_for_nothing(name: str) -> None:
    case = losses.some(name, unlabelled=1.0)
    loss, gradients = computed(name, case)
    assert loss == 0.0
    assert not any(gradient.any() for gradient in gradients), "a NaN would be one too"
    half = losses.some(name)
    other = half._replace(
        logits=tuple(
            np.where(gradient == 0, 1e3, part)
            for part, gradient in zip(half.logits, losses.gradients(name, half), strict=True)
        )
    )
    assert computed(name, other)[0] == computed(name, half)[0]


@pytest.mark.parametrize("name", losses.NAMES)
def test_logits_of_any_size_have_finite_gradients(name: str) -> None:
    case = losses.some(name, dtype=np.float32)
    loss, gradients = computed(name, case._replace(logits=tuple(1e4 * part for part in case.logits)))
    assert np.isfinite(loss) and loss > 0
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("replicas", [2, 3])
@pytest.mark.parametrize("name", losses.NAMES)
def test_the_mean_over_replicas_is_the_loss_of_the_whole(name: str, replicas: int) -> None:
    case = losses.some(name)
    shares = [computed(name, losses.share(case, replica, replicas)) for replica in range(replicas)]
    loss, gradients = computed(name, case)
    assert np.mean([each for each, _ in shares]) == pytest.approx(loss, rel=1e-12)
    for index, gradient in enumerate(gradients):
        assert closeness(np.concatenate([each[index] for _, each in shares]) / replicas, gradient) < 1e-12
