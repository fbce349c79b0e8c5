"""The off-the-shelf LayoutLMv2 computes in the precision that a cell names, and trains all but what it never uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny, tiny_layout

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from pt_impl.families.layoutlmv2.peer import peer_step  # noqa: E402
from pt_impl.step import COMPUTE_DTYPES  # noqa: E402
from shared.families.layoutlmv2.architecture import is_statistic, parameter_shapes  # noqa: E402
from shared.protocol import Cell  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.pt_impl.native_step import Products, native_step, on_device  # noqa: E402


def make_cell(tmp_path: Path, store: Store, precision: str = "fp32") -> Cell:
    workload = tiny_layout.calm()
    return tiny.make_cell(tmp_path, store.path, workload=workload, arm="native", precision=precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pages_are_computed_in_the_precision_that_the_cell_names(scrawl: Store, tmp_path: Path, precision: str) -> None:
    cell = make_cell(tmp_path, scrawl, precision)
    step = native_step(cell)
    with Products() as products:
        step.network(step.inputs(on_device(cell, scrawl), training=True), None, training=True)
    assert COMPUTE_DTYPES[precision] in products.dtypes
    assert {parameter.dtype for parameter in step.network.parameters()} == {torch.float32}


def test_it_trains_what_its_loss_reaches(scrawl: Store, tmp_path: Path) -> None:
    """Not the pooler, the pyramid's other levels and the biases by distance: DDP would wait for their gradients."""
    cell = make_cell(tmp_path, scrawl)
    step = native_step(cell)
    loss, gradients = step.loss_and_gradients(on_device(cell, scrawl))
    assert torch.isfinite(loss)
    assert all(gradient is not None for gradient in gradients)
    trained = {name for name, parameter in step.network.whole.named_parameters() if parameter.requires_grad}
    assert trained == step.network.trained_names()
    ours = {name for name in parameter_shapes(step.network.arch) if not is_statistic(name)}
    assert set(step.network.canonical_parameters()) == {name for name in ours if not name.startswith("attention_bias.")}


def test_the_peer_learns(scrawl: Store, tmp_path: Path) -> None:
    step = peer_step(make_cell(tmp_path, scrawl))
    losses = [float(step(1e-3)) for _ in range(8)]
    assert losses[-1] < losses[0]
