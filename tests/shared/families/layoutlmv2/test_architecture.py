"""LayoutLMv2 as data: published counts, tables of whole numbers, places of dropout."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared import spec
from shared.dropout import position_hashes
from shared.families.layoutlmv2 import FAMILY
from shared.families.layoutlmv2.architecture import (
    NORM_EPSILON,
    REACH,
    buckets,
    folded,
    is_statistic,
    layer_place,
    shape_at,
    stages,
    visual_boxes,
)
from shared.families.layoutlmv2.ladder import never_read
from shared.families.layoutlmv2.settings import of_family
from tests import tiny_layout


@pytest.mark.parametrize(("name", "body"), [("layoutlmv2-base", 200_081_984), ("layoutlmv2-large", 425_991_872)])
def test_the_bodies_are_the_published_ones(name: str, body: int) -> None:
    """The release's scalars: ours, and what is never read (a pooler, three levels' outputs); classifiers apart."""
    arch = FAMILY.architecture(of_family(spec.load(name)))
    classifier = arch.num_classes * (arch.num_features + 1)
    pooler, outputs = arch.hidden_size**2 + arch.hidden_size, 3 * (256 * 256 * 9 + 256)
    assert never_read(arch) == pooler + outputs
    assert FAMILY.num_trained(arch) - classifier + pooler + outputs == body
    frozen = [shape for each, shape in FAMILY.parameter_shapes(arch).items() if is_statistic(each)]
    assert len(frozen) == 4 * 104  # the release's norms: 1 + 33 blocks of three + 4 shortcuts


def test_the_backbone_is_resnext_101() -> None:
    arch = FAMILY.architecture(of_family(spec.load("layoutlmv2-base")))
    found = stages(arch.backbone)
    assert [len(blocks) for blocks in found] == [3, 4, 23, 3]
    assert [blocks[0].middle for blocks in found] == [256, 512, 1024, 2048]
    assert [blocks[-1].channels_out for blocks in found] == [256, 512, 1024, 2048]
    assert [[block.stride for block in blocks[:2]] for blocks in found] == [[1, 1], [2, 1], [2, 1], [2, 1]]
    assert [sum(block.has_shortcut for block in blocks) for blocks in found] == [1, 1, 1, 1]


@pytest.mark.parametrize(("bins", "farthest"), [(32, 128), (64, 256), (8, 16)])
def test_bins_are_symmetric_and_grow(bins: int, farthest: int) -> None:
    found, half = buckets(bins, farthest), bins // 2
    assert (len(found), found.dtype) == (2 * REACH + 1, np.int32)
    left, right = found[:REACH][::-1], found[REACH + 1 :]
    assert np.array_equal(right, left + half), "the sign is the upper half"
    assert found[REACH] == 0
    assert (np.diff(left) >= 0).all()
    assert left[: half // 2 - 1].tolist() == list(range(1, half // 2)), "near ones have a bin each"
    assert left[farthest - 1 :].tolist() == [half - 1] * (REACH - farthest + 1)
    assert half not in found, "to the right by nothing"


@pytest.mark.parametrize(("bins", "farthest"), [(32, 128), (64, 256)])
def test_bins_are_those_of_exact_arithmetic(bins: int, farthest: int) -> None:
    """The largest k with (farthest / near) ** (k / (half - near)) * near <= distance, in whole numbers."""
    half, near = bins // 2, bins // 4
    found = buckets(bins, farthest)[REACH + 1 :] - half
    for distance, bin_ in enumerate(found.tolist(), start=1):
        expected = distance
        if distance >= near:
            steps = half - near
            power = max(k for k in range(steps + 1) if farthest**k * near**steps <= distance**steps * near**k)
            expected = min(near + power, half - 1)
        assert bin_ == expected, distance


def test_bins_are_the_librarys() -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from transformers.models.layoutlmv2.modeling_layoutlmv2 import relative_position_bucket

    for bins, farthest in ((32, 128), (64, 256)):
        distance = torch.arange(-REACH, REACH + 1)
        theirs = relative_position_bucket(distance, num_buckets=bins, max_distance=farthest)
        assert np.array_equal(theirs.numpy(), buckets(bins, farthest))


@pytest.mark.parametrize("pool", [1, 4, 7])
def test_visual_boxes_cover_the_page_row_by_row(pool: int) -> None:
    boxes = visual_boxes(pool)
    assert boxes.shape == (pool**2, 4)
    assert boxes[0, :2].tolist() == [0, 0]
    assert boxes[-1, 2:].tolist() == [1000, 1000]
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes.tolist()) == 1000**2
    assert boxes[:, 1].tolist() == sorted(boxes[:, 1].tolist())
    edges = [math.floor(1000 * k / pool) for k in range(pool + 1)]
    assert boxes[:pool, 0].tolist() == edges[:-1]


def test_a_folded_norm_is_the_norm() -> None:
    rng, name = np.random.default_rng(0), "x"
    tensors = {f"x.norm.{each}": rng.uniform(0.5, 2.0, 5) for each in ("weight", "bias", "running_mean", "running_var")}
    factor, summand = folded(tensors, name)
    x = rng.standard_normal((3, 5))
    mean, variance = tensors["x.norm.running_mean"], tensors["x.norm.running_var"]
    expected = (x - mean) / np.sqrt(variance + NORM_EPSILON) * tensors["x.norm.weight"] + tensors["x.norm.bias"]
    np.testing.assert_allclose(x * factor + summand, expected, rtol=1e-12)


def test_places_of_dropout() -> None:
    settings = tiny_layout.workload(model__classifier_dropout=0.25)
    arch = tiny_layout.architecture(settings)
    assert arch.num_places == 1 + 1 + 2 * 2 + 1
    assert list(arch.drop_rates) == [0, 1, 2, 3, 4, 5, 6]
    assert arch.drop_rates[6] == 0.25
    shapes = {place: shape_at(arch, place, 32) for place in arch.drop_rates}
    assert shapes == {0: (32, 32), 1: (16, 32), 2: (48, 32), 3: (48, 32), 4: (17, 32), 5: (17, 32), 6: (1, 96)}
    blind = tiny_layout.architecture(tiny_layout.workload(model__visual=False))
    assert list(blind.drop_rates) == [0, 2, 3, 4, 5, 6]
    assert {place: shape_at(blind, place, 32) for place in (2, 4, 6)} == {2: (32, 32), 4: (1, 32), 6: (1, 32)}
    assert layer_place(arch.num_layers, 0) == arch.classifier_place
    assert position_hashes(48, 32).shape == (48, 8)
