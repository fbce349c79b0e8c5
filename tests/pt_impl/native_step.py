"""A step of an off-the-shelf network, and the precision that it computes in."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pt_impl.family import family
from pt_impl.step import Step
from shared.batches import TrainBatches
from shared.family import Batch
from shared.protocol import Cell
from shared.store import Store

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
    """The library's network, trained by the wing's step."""
    network = family(cell.workload.model.family).native_network(cell)
    return Step(network, cell.workload, cell.precision, 1)


def on_device(cell: Cell, store: Store) -> Batch:
    """The cell's first batch."""
    batch = TrainBatches(store, cell.workload, 0, 1).batch(0)
    return type(batch)(*(torch.from_numpy(array) for array in batch))
