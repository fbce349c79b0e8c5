"""The off-the-shelf BERT computes in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny, tiny_text

tf = pytest.importorskip("tensorflow")
pytest.importorskip("keras_hub")

import keras  # noqa: E402

from shared.errors import UserError  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.tf_impl.native_step import native_step, on_device, products  # noqa: E402
from tf_impl import precision as precisions  # noqa: E402
from tf_impl.step import COMPUTE_DTYPES  # noqa: E402


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_are_computed_in_the_precision_that_the_cell_names(babble: Store, tmp_path: Path, precision: str) -> None:
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native", precision=precision)
    before = keras.config.dtype_policy().name
    step = native_step(cell)
    assert products(step, on_device(cell, babble)) == {COMPUTE_DTYPES[precision]}
    assert {variable.dtype for variable in step.network.trainable_variables} == {tf.float32}
    assert keras.config.dtype_policy().name == before, "what is built afterwards is built as before"


def test_a_network_in_another_precision_is_refused(
    babble: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(precisions.POLICIES, "bf16", "float32")
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native", precision="bf16")
    with pytest.raises(UserError, match="the network computes in float32, the cell asks for bfloat16"):
        native_step(cell).loss(on_device(cell, babble))
