"""The losses of distillation in both wings, float64: values and gradients to 1e-12; and that slips are seen."""

from __future__ import annotations

import numpy as np
import pytest

from tests import distilled
from tests.tiny_text import closeness

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.losses  # noqa: E402
import tf_impl.losses  # noqa: E402

SEEN = 1e-12
SETTINGS = [{**how, "temperature": temperature} for how in distilled.settings() for temperature in (1.0, 2.5)]


def of_pytorch(name: str, case: distilled.Case) -> tuple[float, np.ndarray]:
    logits = torch.tensor(case.logits, requires_grad=True)
    loss = getattr(pt_impl.losses, name)(logits, torch.tensor(case.labels), **case.settings)
    return float(loss.detach()), torch.autograd.grad(loss, logits)[0].numpy()


def of_tensorflow(name: str, case: distilled.Case) -> tuple[float, np.ndarray]:
    logits = tf.constant(case.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = getattr(tf_impl.losses, name)(logits, tf.constant(case.labels), **case.settings)
    return float(loss), tape.gradient(loss, logits).numpy()


def distance(one: tuple[float, np.ndarray], other: tuple[float, np.ndarray]) -> float:
    """The larger of two relative differences: of the loss, of its gradient."""
    return max(abs(one[0] / other[0] - 1), closeness(one[1], other[1]))


@pytest.mark.parametrize("name", distilled.NAMES)
@pytest.mark.parametrize("size", [1.0, 10.0, 100.0])
def test_wings_agree(name: str, size: float) -> None:
    for how in SETTINGS:
        for seed in range(3):
            case = distilled.some(name, how, seed, size)
            assert distance(of_pytorch(name, case), of_tensorflow(name, case)) < SEEN, how


@pytest.mark.parametrize("name", distilled.NAMES)
def test_slips_are_seen(name: str) -> None:
    """The divergence turned round, the weight on the other term, the teacher's rows shifted by one."""
    for how in SETTINGS:
        case = distilled.some(name, how)
        honest = of_tensorflow(name, case)
        rolled = np.concatenate([case.own, np.roll(case.teacher, 1, 0)], 1).astype(np.float32)
        slips = {"rows": case._replace(labels=rolled)}
        if how["form"] != "mse":
            turned = {"student": "teacher", "teacher": "student"}[how["direction"]]
            slips["direction"] = case._replace(settings={**how, "direction": turned})
        for slip, other in slips.items():
            assert distance(of_pytorch(name, other), honest) > 1e3 * SEEN, (slip, how)
        weight = how["weight"]
        loss, gradient = of_pytorch(name, case._replace(settings={**how, "weight": 1.0 / weight}))
        assert distance((weight * loss, weight * gradient), honest) > 1e3 * SEEN, how
