"""A step of an off-the-shelf network, and the precision that it computes in."""

from __future__ import annotations

import tensorflow as tf

from shared.batches import TrainBatches
from shared.family import Batch
from shared.protocol import Cell
from shared.store import Store
from tf_impl.family import family
from tf_impl.step import Step

PRODUCTS = ("MatMul", "BatchMatMulV2", "Einsum", "Conv2D", "DepthwiseConv2dNative")


def native_step(cell: Cell) -> Step:
    """The library's network, trained by the wing's step."""
    network = family(cell.workload.model.family).native_network(cell)
    return Step(network, cell.workload, cell.precision, 1)


def on_device(cell: Cell, store: Store) -> Batch:
    """The cell's first batch."""
    batch = TrainBatches(store, cell.workload, 0, 1).batch(0)
    return type(batch)(*(tf.constant(array) for array in batch))


def products(step: Step, batch: Batch) -> set[tf.DType]:
    """The precisions of all products of a training step, forwards and backwards."""
    graph = step._train.get_concrete_function(batch, tf.constant(0.0, tf.float64)).graph
    found = {operation.outputs[0].dtype for operation in graph.get_operations() if operation.type in PRODUCTS}
    assert found
    return found
