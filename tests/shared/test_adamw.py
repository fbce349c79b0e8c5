"""The update rule of the text twins, each tensor's rate and decay."""

from __future__ import annotations

import numpy as np
import pytest

from shared.adamw import adamw_step, decays, rate_factors
from shared.networks import architecture_of, parameter_shapes
from shared.spec import TextWorkload, load
from tests import tiny_text

SETTINGS = tiny_text.workload().optimizer


def text_workload(preset: str) -> TextWorkload:
    found = load("bert-6l", preset)
    assert isinstance(found, TextWorkload)
    return found


def factors_of(workload: TextWorkload) -> dict[str, float]:
    return rate_factors(tiny_text.architecture(workload), workload)


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


def test_every_tensor_has_a_factor() -> None:
    workload = tiny_text.workload()
    assert list(factors_of(workload)) == list(parameter_shapes(architecture_of(workload)))


def test_layers_head_pooler_and_embeddings() -> None:
    workload = tiny_text.workload(model__num_layers=3, schedule__peak_rate=1e-3)
    factors = factors_of(workload)
    by_part = {
        "layers.2.query.weight": 1.0,
        "layers.2.output_norm.bias": 1.0,
        "layers.1.up.weight": 0.5,
        "layers.0.attention_norm.weight": 0.25,
        "embeddings.token.weight": 0.125,
        "embeddings.segment.weight": 0.125,
        "embeddings.norm.bias": 0.125,
        "pooler.weight": 1.0,
        "pooler.bias": 1.0,
        "classifier.weight": 5.0,
        "classifier.bias": 5.0,
    }
    assert {name: factors[name] for name in by_part} == pytest.approx(by_part, rel=1e-12)


def test_two_digits_of_a_layers_number_are_read() -> None:
    factors = factors_of(tiny_text.workload(model__num_layers=12))
    assert factors["layers.11.key.bias"] == 1.0
    assert factors["layers.1.key.bias"] == pytest.approx(0.5**10, rel=1e-12)


def test_the_papers_rates() -> None:
    workload = text_workload("full")
    factors = factors_of(workload)
    peak = workload.schedule.peak_rate
    rates = {name: factors[name] * peak for name in ("layers.5.up.weight", "layers.4.up.weight", "classifier.weight")}
    assert rates == pytest.approx(dict(zip(rates, (3e-5, 3e-13, 1e-6), strict=True)), rel=1e-9)
    assert 0.0 < factors["embeddings.token.weight"] < 1e-47


def test_the_released_codes_rates() -> None:
    workload = text_workload("released")
    factors = factors_of(workload)
    assert {factor for name, factor in factors.items() if not name.startswith("classifier")} == {1.0}
    assert factors["classifier.bias"] * workload.schedule.peak_rate == pytest.approx(1e-3, rel=1e-12)


def test_biases_norms_and_the_classifier_do_not_decay() -> None:
    workload = tiny_text.workload()
    decaying = {name for name in factors_of(workload) if decays(name, workload.optimizer)}
    layer = {f"{part}.weight" for part in ("query", "key", "value", "output", "up", "down")}
    assert decaying == {
        *(f"embeddings.{table}.weight" for table in ("token", "position", "segment")),
        *(f"layers.{index}.{name}" for index in range(2) for name in layer),
        "pooler.weight",
    }
    assert decays("pooler.weight", workload.optimizer) == 0.01
