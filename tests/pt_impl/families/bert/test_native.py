"""The off-the-shelf BERT computes in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny, tiny_text

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from pt_impl.step import COMPUTE_DTYPES  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.pt_impl.native_step import Products, native_step, on_device  # noqa: E402


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_are_computed_in_the_precision_that_the_cell_names(babble: Store, tmp_path: Path, precision: str) -> None:
    workload = tiny_text.calm()
    cell = tiny.make_cell(tmp_path, babble.path, workload=workload, arm="native", precision=precision)
    step = native_step(cell)
    with Products() as products:
        loss = step.loss(on_device(cell, babble))
    assert products.dtypes == {COMPUTE_DTYPES[precision]}
    assert loss.dtype == torch.float32
    assert {parameter.dtype for parameter in step.network.parameters()} == {torch.float32}


def test_a_network_in_another_precision_is_refused(babble: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native")
    step = native_step(cell)
    step.network.forward = lambda *_, **__: torch.zeros(4, tiny_text.CLASSES, dtype=torch.bfloat16)
    with pytest.raises(UserError, match="the network computes in bfloat16, the cell asks for float32"):
        step.loss(on_device(cell, babble))
