"""The native arm's convolutions over words compute in the precision that a cell names, and start where it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.store import Store
from tests import tiny, tiny_words

torch = pytest.importorskip("torch")

from pt_impl.step import COMPUTE_DTYPES  # noqa: E402
from shared.session import starting_weights  # noqa: E402
from tests.pt_impl.native_step import Products, native_step, on_device  # noqa: E402

NAMES = ("kim-cnn", "xml-cnn")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_are_computed_in_the_precision_that_the_cell_names(
    babble: Store, tmp_path: Path, name: str, precision: str
) -> None:
    workload = tiny_words.workload(name, model__dropout=0.0)
    cell = tiny.make_cell(tmp_path, babble.path, workload=workload, arm="native", precision=precision)
    step = native_step(cell)
    with Products() as products:
        loss = step.loss(on_device(cell, babble))
    assert products.dtypes == {COMPUTE_DTYPES[precision]}
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_static_vectors_are_the_cells_and_are_not_trained(babble: Store, tmp_path: Path, name: str) -> None:
    workload = tiny_words.workload(name, model__static_vectors=True)
    cell = tiny.make_cell(tmp_path, babble.path, workload=workload, arm="native")
    step = native_step(cell)
    assert "embedding.weight" not in step.network.canonical_parameters()
    step.train(on_device(cell, babble), 0.1)
    found = step.network.embedding.weight.detach().numpy()
    assert np.array_equal(found, starting_weights(cell)["embedding.vectors"])
