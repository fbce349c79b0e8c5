"""The names and layouts of the public EfficientNet checkpoints."""

from __future__ import annotations

import numpy as np
import pytest

from shared.families.efficientnet.architecture import VARIANTS, architecture, parameter_shapes
from shared.families.efficientnet.convert import (
    from_keras,
    from_transformers,
    keras_block_names,
    keras_name,
    leftovers,
    to_keras,
    to_transformers,
    transformers_name,
)
from tests import tiny

ARCH = tiny.short(tiny.workload())
OURS = tiny.weights(ARCH)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_are_mapped_one_to_one(variant: str) -> None:
    arch = architecture(variant, 16)
    names = list(parameter_shapes(arch))
    assert len({transformers_name(name) for name in names}) == len(names)
    assert len({keras_name(name, variant) for name in names}) == len(names)
    assert len(keras_block_names(variant)) == len(arch.blocks)


def test_there_and_back() -> None:
    assert same(from_transformers(to_transformers(OURS), ARCH), OURS)
    assert same(from_keras(to_keras(OURS, "b0"), "b0", ARCH), OURS)


def test_what_is_missing_is_left_out_and_counters_are_passed_over() -> None:
    theirs = to_transformers(OURS)
    del theirs["efficientnet.encoder.top_bn.bias"]
    assert set(OURS) - set(from_transformers(theirs, ARCH)) == {"head.norm.bias"}
    more = {**theirs, "efficientnet.encoder.top_bn.num_batches_tracked": np.array(1), "other.weight": np.zeros(1)}
    assert leftovers(more, ARCH) == ["other.weight"]
