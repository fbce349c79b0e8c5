"""The off-the-shelf networks compute in the precision that a cell names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests import tiny, tiny_text

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from pt_impl import native  # noqa: E402
from pt_impl.step import COMPUTE_DTYPES, Step  # noqa: E402
from shared.batches import Batch, TrainBatches  # noqa: E402
from shared.errors import UserError  # noqa: E402
from shared.protocol import Cell  # noqa: E402
from shared.store import Store  # noqa: E402

PRODUCTS = ("mm", "addmm", "bmm", "convolution")


class Products(TorchDispatchMode):
    """Notes the precision of every product, forwards."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ in PRODUCTS:
            self.dtypes.add(result.dtype)
        return result


def native_step(cell: Cell) -> Step:
    return Step(native.network(cell), cell.workload, cell.precision, 1)


def on_device(cell: Cell, store: Store) -> Batch:
    batch = TrainBatches(store, cell.workload, 0, 1).batch(0)
    return type(batch)(*(torch.from_numpy(array) for array in batch))


@pytest.fixture(scope="module")
def babble(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store")


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


def test_pages_are_computed_in_the_precision_that_the_cell_names(noise: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, noise.path, arm="native", precision="bf16")
    step = native_step(cell)
    with Products() as products:
        step.loss(on_device(cell, noise))
    assert products.dtypes == {torch.bfloat16}


def test_a_network_in_another_precision_is_refused(babble: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, babble.path, workload=tiny_text.calm(), arm="native")
    step = native_step(cell)
    step.network.forward = lambda *_, **__: torch.zeros(4, tiny_text.CLASSES, dtype=torch.bfloat16)
    with pytest.raises(UserError, match="the network computes in bfloat16, the cell asks for float32"):
        step.loss(on_device(cell, babble))
