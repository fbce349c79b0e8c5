"""What a LayoutLMv2 workload may say: the paper's settings, and what does not fit together."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shared import spec
from shared.errors import UserError
from shared.families.layoutlmv2 import FAMILY
from shared.families.layoutlmv2.settings import of_family
from shared.modalities import Boxes, Pages, Tokens
from tests import tiny_layout


@pytest.mark.parametrize(("name", "layers", "hidden", "heads"), [("base", 12, 768, 12), ("large", 24, 1024, 16)])
def test_the_papers_settings(name: str, layers: int, hidden: int, heads: int) -> None:
    workload = of_family(spec.load(f"layoutlmv2-{name}"))
    model = workload.model
    assert (model.num_layers, model.hidden_size, model.num_heads) == (layers, hidden, heads)
    assert (model.pool, workload.input.max_tokens, workload.input.image_size) == (7, 512, 224)
    assert model.fused_projections is (name == "base")
    assert FAMILY.modalities(workload) == (Pages(224), Tokens(512, "head", 30522), Boxes(1000))
    assert FAMILY.describe(workload).cost == 512 + 49


def test_without_an_image_no_page_is_read() -> None:
    workload = tiny_layout.workload(model__visual=False)
    assert {type(each) for each in FAMILY.modalities(workload)} == {Tokens, Boxes}
    assert FAMILY.describe(workload).sample == "at most 32 tokens"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__num_heads": 5}, "hidden_size 32 is not a multiple of 5 heads"),
        ({"model__coordinate_size": 7}, "four coordinate_size of 7 and two shape_size of 4 are 36 features"),
        ({"model__max_positions": 16}, "32 max_tokens need as many positions; the model has 16"),
        ({"input__image_size": 96, "model__pool": 5}, "image_size 96 gives a map of 24 across, which pool 5"),
        ({"input__image_size": 100}, "input.image_size: .*multiple of 32"),
        ({"model__pool": 8, "model__max_positions": 40}, "pool 8 gives 64 tokens, the model has 40"),
        ({"model__farthest": 8, "model__distance_bins": 32}, "at least half of their bins"),
        ({"model__backbone_blocks": (1, 1)}, "model.backbone_blocks"),
        ({"input__truncation": "head+tail"}, "input.truncation"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        tiny_layout.workload(**changes)
    assert re.search(message, str(error.value)), str(error.value)
    assert "\n" not in str(error.value)


def test_pools_that_divide_the_map_fit() -> None:
    for size, pool in ((64, 4), (96, 6), (224, 7)):
        workload = tiny_layout.workload(input__image_size=size, model__pool=pool, model__max_positions=64)
        assert tiny_layout.architecture(workload).num_visual == pool**2
