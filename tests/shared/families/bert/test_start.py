"""The seeded start of a BERT."""

from __future__ import annotations

import numpy as np
import pytest

from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.start import initial_weights
from tests import tiny_text

ARCH = tiny_text.architecture(tiny_text.workload())


def test_the_seeded_start() -> None:
    start = initial_weights(ARCH, 3)
    assert {name: value.shape for name, value in start.items()} == parameter_shapes(ARCH)
    assert {value.dtype for value in start.values()} == {np.dtype(np.float32)}
    again = initial_weights(ARCH, 3)
    assert list(start) == list(again)
    assert all(np.array_equal(start[name], again[name]) for name in start)
    for name, value in start.items():
        if value.ndim == 2:
            assert not np.array_equal(value, initial_weights(ARCH, 4)[name])
            assert value.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * value.size)), name
        else:
            assert (value == (1.0 if name.endswith("norm.weight") else 0.0)).all(), name
    assert not np.array_equal(start["layers.0.query.weight"], start["layers.0.key.weight"])
