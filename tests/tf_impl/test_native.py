"""The off-the-shelf networks compute in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny, tiny_text

tf = pytest.importorskip("tensorflow")
pytest.importorskip("keras_cv")
pytest.importorskip("keras_hub")

import keras  # noqa: E402

from shared.batches import Batch, TrainBatches  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.protocol import Cell  # noqa: E402
from shared.store import Store  # noqa: E402
from tf_impl import native  # noqa: E402
from tf_impl.step import COMPUTE_DTYPES, Step  # noqa: E402

PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "DepthwiseConv2dNative")


def native_step(cell: Cell) -> Step:
    return Step(native.network(cell), cell.workload, cell.precision, 1)


def on_device(cell: Cell, store: Store) -> Batch:
    batch = TrainBatches(store, cell.workload, 0, 1).batch(0)
    return type(batch)(*(tf.constant(array) for array in batch))


def products(step: Step, batch: Batch) -> set[tf.DType]:
    """The precisions of all products of a training step, forwards and backwards."""
    graph = step._train.get_concrete_function(batch, tf.constant(0.0, tf.float64)).graph
    found = {operation.outputs[0].dtype for operation in graph.get_operations() if operation.type in PRODUCTS}
    assert found
    return found


@pytest.fixture(scope="module")
def babble(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_texts_are_computed_in_the_precision_that_the_cell_names(babble: Store, tmp_path: Path, precision: str) -> None:
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native", precision=precision)
    step, before = native_step(cell), keras.config.dtype_policy().name
    assert products(step, on_device(cell, babble)) == {COMPUTE_DTYPES[precision]}
    assert {variable.dtype for variable in step.network.trainable_variables} == {tf.float32}
    assert keras.config.dtype_policy().name == before, "what is built afterwards is built as before"


def test_pages_are_computed_in_the_precision_that_the_cell_names(noise: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, noise.path, arm="native", precision="bf16")
    step = native_step(cell)
    assert products(step, on_device(cell, noise)) == {tf.bfloat16}
    assert {variable.dtype for variable in step.network.trainable_variables} == {tf.float32}


def test_a_network_in_another_precision_is_refused(
    babble: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(native.POLICIES, "bf16", "float32")
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native", precision="bf16")
    with pytest.raises(UserError, match="the network computes in float32, the cell asks for bfloat16"):
        native_step(cell).loss(on_device(cell, babble))
