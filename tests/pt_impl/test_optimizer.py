"""The wing's SGD against the rule of shared.sgd and against torch.optim, under a changing rate."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")

from pt_impl.optimizer import Sgd  # noqa: E402
from shared.family import ParameterGroup  # noqa: E402
from shared.schedule import slanted_triangular  # noqa: E402
from shared.sgd import sgd_step  # noqa: E402

RATES = slanted_triangular(20, 0.5, 0.1, 32.0)
SETTINGS = tiny.workload(optimizer__weight_decay=0.01).optimizer
GROUPS = {"weight": ParameterGroup(1.0, SETTINGS.weight_decay)}


def start_and_gradients(dtype: type) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return rng.standard_normal(50).astype(dtype), [rng.standard_normal(50).astype(dtype) for _ in RATES]


def trained(start: np.ndarray, gradients: list[np.ndarray]) -> np.ndarray:
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer, scaler = Sgd({"weight": parameter}, GROUPS, SETTINGS), torch.amp.GradScaler("cpu", enabled=False)
    for rate, gradient in zip(RATES, gradients, strict=True):
        optimizer.apply([torch.tensor(gradient)], float(rate), scaler)
    assert parameter.grad is None
    return parameter.detach().numpy()


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-13)])
def test_twenty_steps_follow_the_shared_rule(dtype: type, tolerance: float) -> None:
    start, gradients = start_and_gradients(dtype)
    weight, buffer = start.astype(np.float64), np.zeros(50)
    for rate, gradient in zip(RATES, gradients, strict=True):
        weight, buffer = sgd_step(weight, buffer, gradient, rate, SETTINGS.momentum, SETTINGS.weight_decay)
    assert tiny.closeness(trained(start, gradients), weight) < tolerance


def test_twenty_steps_are_those_of_torch_optim() -> None:
    start, gradients = start_and_gradients(np.float64)
    parameter = torch.nn.Parameter(torch.tensor(start))
    oracle = torch.optim.SGD([parameter], lr=1.0, momentum=SETTINGS.momentum, weight_decay=SETTINGS.weight_decay)
    for rate, gradient in zip(RATES, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
        oracle.param_groups[0]["lr"] = float(rate)
        oracle.step()
    assert tiny.closeness(trained(start, gradients), parameter.detach()) < 1e-13
