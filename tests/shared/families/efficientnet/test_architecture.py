"""The tensors of EfficientNets: names, shapes, published counts."""

from __future__ import annotations

import pytest

from shared.families.efficientnet import FAMILY
from shared.families.efficientnet.architecture import VARIANTS, architecture, parameter_shapes
from shared.families.efficientnet.ladder import PUBLISHED, counts
from tests import tiny


@pytest.mark.parametrize(
    ("variant", "published"),
    [("b0", 5_288_548), ("b1", 7_794_184), ("b2", 9_109_994), ("b3", 12_233_232), ("b4", 19_341_616)],
)
def test_counts_of_the_authors_release(variant: str, published: int) -> None:
    assert FAMILY.num_trained(architecture(variant, 1000)) == published == PUBLISHED[variant]
    assert counts(tiny.workload(model__variant=variant)) == (published, published)


def test_nothing_was_published_here_of_the_largest() -> None:
    assert counts(tiny.workload(model__variant="b7")) is None


def test_an_unknown_variant_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"unknown EfficientNet variant 'b9'; known: b0, .*b7"):
        architecture("b9", 16)


def test_names_and_shapes_of_a_block() -> None:
    shapes = parameter_shapes(architecture("b0", 16))
    norm = {f"norm.{tensor}" for tensor in ("weight", "bias", "running_mean", "running_var")}
    block = {name.removeprefix("blocks.3."): shape for name, shape in shapes.items() if name.startswith("blocks.3.")}
    assert set(block) == {
        *(f"{layer}.{name}" for layer in ("expand", "depthwise", "project") for name in {"conv.weight", *norm}),
        *(f"{layer}.{tensor}" for layer in ("squeeze", "excite") for tensor in ("weight", "bias")),
    }
    assert block["depthwise.conv.weight"][1:] == (1, 5, 5)
    assert shapes["stem.conv.weight"] == (32, 3, 3, 3)
    assert list(shapes)[-2:] == ["classifier.weight", "classifier.bias"]


def test_statistics_are_saved_and_not_trained() -> None:
    shapes = parameter_shapes(architecture("b0", 16))
    statistics = {name for name in shapes if FAMILY.is_statistic(name)}
    assert statistics == {name for name in shapes if name.endswith(("running_mean", "running_var"))}
    assert len(statistics) == 2 * sum(name.endswith("conv.weight") for name in shapes)


def test_the_architecture_takes_every_setting_of_the_workload() -> None:
    settings = tiny.workload(
        model__variant="b1",
        model__dropout=0.4,
        model__drop_connect=0.3,
        model__norm_momentum=0.7,
        model__norm_epsilon=1e-4,
        model__norm_statistics="fixed",
        model__num_classes=7,
    )
    assert FAMILY.architecture(settings) == architecture("b1", 7, 0.4, 0.3, 0.7, 1e-4, True)
    assert FAMILY.classifier_inputs(FAMILY.architecture(settings)) == 1280


def test_larger_variants_are_wider_and_deeper() -> None:
    sizes = [FAMILY.num_trained(architecture(variant, 16)) for variant in VARIANTS]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == len(sizes)
