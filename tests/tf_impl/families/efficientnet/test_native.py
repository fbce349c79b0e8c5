"""The off-the-shelf EfficientNet computes in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")
pytest.importorskip("keras_cv")

from shared.store import Store  # noqa: E402
from tests.tf_impl.native_step import native_step, on_device, products  # noqa: E402


def test_pages_are_computed_in_the_precision_that_the_cell_names(noise: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, noise.path, arm="native", precision="bf16")
    step = native_step(cell)
    assert products(step, on_device(cell, noise)) == {tf.bfloat16}
    assert {variable.dtype for variable in step.network.trainable_variables} == {tf.float32}
