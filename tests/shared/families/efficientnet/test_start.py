"""The seeded start of an EfficientNet."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared.families.efficientnet.architecture import architecture, parameter_shapes
from shared.families.efficientnet.start import initial_weights
from shared.family import Weights

ARCH = architecture("b0", 16)


def same(left: Weights, right: Weights) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_initial_weights_are_complete_and_float32() -> None:
    start = initial_weights(ARCH, 0)
    assert {name: value.shape for name, value in start.items()} == parameter_shapes(ARCH)
    assert {value.dtype for value in start.values()} == {np.dtype(np.float32)}


def test_initial_weights_are_decided_by_the_seed_alone() -> None:
    start = initial_weights(ARCH, 0)
    assert same(start, initial_weights(ARCH, 0))
    assert start["stem.conv.weight"].ravel()[:3].tolist() == pytest.approx(
        [-0.06461839377880096, 0.05614050477743149, -0.12523458898067474], rel=1e-6
    )
    other = initial_weights(ARCH, 1)
    assert all(np.array_equal(start[name], other[name]) == (start[name].ndim == 1) for name in start)


def test_initial_weights_have_the_variances_of_the_release() -> None:
    start = initial_weights(ARCH, 0)
    for name, variance in {
        "stem.conv.weight": 2 / (9 * 32),
        "blocks.5.depthwise.conv.weight": 2 / 9,
        "blocks.10.expand.conv.weight": 2 / 672,
        "blocks.10.squeeze.weight": 2 / 28,
        "head.conv.weight": 2 / 1280,
        "classifier.weight": 1e-4,
    }.items():
        value = start[name].astype(np.float64)
        assert value.var() == pytest.approx(variance, rel=5 * math.sqrt(2 / value.size)), name
        assert abs(value.mean()) < 4 * math.sqrt(variance / value.size), name
    assert (start["head.norm.weight"] == 1).all()
    assert (start["head.norm.running_var"] == 1).all()
    assert not any(start[f"head.norm.{name}"].any() for name in ("bias", "running_mean"))
    assert not start["classifier.bias"].any()
