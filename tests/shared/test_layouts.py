"""TensorFlow's layout of weights there and back."""

from __future__ import annotations

import numpy as np
import pytest

from shared.layouts import from_hwio, is_linear, to_hwio
from tests import tiny, tiny_text

WEIGHTS = tiny.weights(tiny.short(tiny.workload())), tiny_text.weights(tiny_text.architecture(tiny_text.workload()))


@pytest.mark.parametrize("weights", WEIGHTS, ids=["efficientnet", "bert"])
def test_there_and_back(weights: dict[str, np.ndarray]) -> None:
    for name, value in weights.items():
        assert np.array_equal(from_hwio(name, to_hwio(name, value)), value), name


@pytest.mark.parametrize(
    ("name", "canonical", "theirs"),
    [
        ("stem.conv.weight", (32, 3, 5, 7), (5, 7, 3, 32)),
        ("blocks.0.depthwise.conv.weight", (32, 1, 5, 7), (5, 7, 32, 1)),
        ("classifier.weight", (16, 20), (20, 16)),
        ("embeddings.token.weight", (64, 32), (64, 32)),
        ("head.norm.bias", (7,), (7,)),
    ],
)
def test_shapes(name: str, canonical: tuple[int, ...], theirs: tuple[int, ...]) -> None:
    value = np.arange(np.prod(canonical)).reshape(canonical)
    assert to_hwio(name, value).shape == theirs
    assert is_linear(name, value) is (len(canonical) == 2 and not name.startswith("embeddings"))
