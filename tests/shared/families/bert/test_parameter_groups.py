"""Each tensor's rate and weight decay."""

from __future__ import annotations

import pytest

from shared.families.bert import FAMILY
from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.settings import BertWorkload, of_family
from shared.family import ParameterGroup
from shared.spec import load
from tests import tiny_text


def text_workload(preset: str) -> BertWorkload:
    return of_family(load("bert-6l", preset))


def groups_of(workload: BertWorkload) -> dict[str, ParameterGroup]:
    return FAMILY.parameter_groups(tiny_text.architecture(workload), workload)


def factors_of(workload: BertWorkload) -> dict[str, float]:
    return {name: group.rate_factor for name, group in groups_of(workload).items()}


def test_every_tensor_has_a_factor() -> None:
    workload = tiny_text.workload()
    assert list(factors_of(workload)) == list(parameter_shapes(tiny_text.architecture(workload)))


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
    decays = {name: group.decay for name, group in groups_of(workload).items()}
    decaying = {name for name, decay in decays.items() if decay}
    layer = {f"{part}.weight" for part in ("query", "key", "value", "output", "up", "down")}
    assert decaying == {
        *(f"embeddings.{table}.weight" for table in ("token", "position", "segment")),
        *(f"layers.{index}.{name}" for index in range(2) for name in layer),
        "pooler.weight",
    }
    assert decays["pooler.weight"] == 0.01
