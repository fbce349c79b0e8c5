"""The BERT classifier's tensors: names, shapes, published counts."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from shared.families.bert import FAMILY
from shared.families.bert.architecture import EMBEDDINGS_PLACE, Architecture, layer_place, parameter_shapes
from shared.families.bert.settings import of_family
from shared.spec import load
from tests import tiny_text

SIX = Architecture(6, 768, 12, 3072, 512, 30_522, 16, 1e-12, 0.1, 0.2)
BASE = replace(SIX, num_layers=12)
LARGE = replace(SIX, num_layers=24, hidden_size=1024, num_heads=16, intermediate_size=4096)


def without_classifier(arch: Architecture) -> int:
    return sum(math.prod(shape) for name, shape in parameter_shapes(arch).items() if not name.startswith("classifier"))


def test_six_layers_have_the_published_tensors() -> None:
    assert len(parameter_shapes(SIX)) == 105
    assert FAMILY.num_trained(SIX) == 66_967_312
    assert FAMILY.architecture(of_family(load("bert-6l"))) == SIX


@pytest.mark.parametrize(("arch", "published"), [(BASE, 109_482_240), (LARGE, 335_141_888)])
def test_counts_of_the_authors_release(arch: Architecture, published: int) -> None:
    assert without_classifier(arch) == published


def test_names_and_shapes_of_a_layer() -> None:
    shapes = parameter_shapes(tiny_text.architecture(tiny_text.workload()))
    assert list(shapes)[:4] == [f"embeddings.{part}.weight" for part in ("token", "position", "segment", "norm")]
    assert list(shapes)[-4:] == ["pooler.weight", "pooler.bias", "classifier.weight", "classifier.bias"]
    assert {
        name.removeprefix("layers.1."): shape for name, shape in shapes.items() if name.startswith("layers.1.")
    } == {
        **{f"{part}.weight": (32, 32) for part in ("query", "key", "value", "output")},
        **{f"{part}.bias": (32,) for part in ("query", "key", "value", "output")},
        **{f"{norm}.{kind}": (32,) for norm in ("attention_norm", "output_norm") for kind in ("weight", "bias")},
        "up.weight": (64, 32),
        "up.bias": (64,),
        "down.weight": (32, 64),
        "down.bias": (32,),
    }
    assert (shapes["embeddings.position.weight"], shapes["embeddings.segment.weight"]) == ((40, 32), (2, 32))


def test_the_architecture_takes_every_setting_of_the_workload() -> None:
    settings = tiny_text.workload(model__norm_epsilon=1e-6, model__hidden_dropout=0.3, model__classifier_dropout=0.4)
    arch = tiny_text.architecture(settings)
    assert arch == Architecture(2, 32, 4, 64, 40, 64, 4, 1e-6, 0.3, 0.4)
    assert FAMILY.classifier_inputs(arch) == 32


def test_every_place_of_dropout_has_a_number_of_its_own() -> None:
    layers = [layer_place(index, half) for index in range(6) for half in (0, 1)]
    assert [EMBEDDINGS_PLACE, *layers, SIX.classifier_place] == list(range(SIX.num_places)) == list(range(14))


def test_places_keep_their_numbers_whatever_the_rates() -> None:
    assert SIX.drop_rates == dict.fromkeys(range(13), 0.1) | {13: 0.2}
    assert replace(SIX, hidden_dropout=0.0).drop_rates == {13: 0.2}
    assert replace(SIX, classifier_dropout=0.0).drop_rates == dict.fromkeys(range(13), 0.1)
    assert replace(SIX, classifier_dropout=0.0).num_places == 14
