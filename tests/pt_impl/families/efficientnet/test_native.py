"""The off-the-shelf EfficientNet computes in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from shared.store import Store  # noqa: E402
from tests.pt_impl.native_step import Products, native_step, on_device  # noqa: E402


def test_pages_are_computed_in_the_precision_that_the_cell_names(noise: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, noise.path, arm="native", precision="bf16")
    step = native_step(cell)
    with Products() as products:
        step.loss(on_device(cell, noise))
    assert products.dtypes == {torch.bfloat16}
