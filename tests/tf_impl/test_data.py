"""The input pipeline delivers the batches of shared.batches, in order, and ends."""

from __future__ import annotations

import numpy as np
import psutil
import pytest

from tests import tiny, tiny_text

tf = pytest.importorskip("tensorflow")

from shared.batches import EvalBatches, TrainBatches  # noqa: E402
from shared.family import Batch  # noqa: E402
from shared.store import Store  # noqa: E402
from tf_impl import data  # noqa: E402
from tf_impl.replicas import Replicas  # noqa: E402


def one_replica() -> Replicas:
    return Replicas(0, 1, tf.distribute.get_strategy())


def assert_same(delivered: tuple[tf.Tensor, ...], expected: Batch) -> None:
    for tensor, array in zip(delivered, expected, strict=True):
        assert tensor.dtype == array.dtype
        assert np.array_equal(tensor.numpy(), array)


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("kind", ["noise", "babble"])
def test_batches_and_their_draws_come_in_order(kind: str, workers: int, request: pytest.FixtureRequest) -> None:
    """Into the second epoch."""
    store, workload = request.getfixturevalue(kind), {"noise": tiny, "babble": tiny_text}[kind].workload()
    before = set(psutil.Process().children(recursive=True))
    batches = TrainBatches(store, workload, seed=1, replicas=1)
    assert batches.steps_per_epoch < 9
    delivered = list(data.stream(batches.batch, 9, workers, one_replica()))
    assert len(delivered) == 9
    for step, batch in enumerate(delivered):
        assert_same(batch, batches.batch(step, 0))
    assert set(psutil.Process().children(recursive=True)) <= before


def test_shapes_are_known_to_a_graph(noise: Store) -> None:
    batches = TrainBatches(noise, tiny.workload(), 1, 1)
    batch = next(data.stream(batches.batch, 1, 1, one_replica()))
    assert [tensor.shape.as_list() for tensor in batch] == [list(a.shape) for a in batches.batch(0, 0)]


def test_evaluation_batches_keep_the_rows_that_fill_them_up(noise: Store) -> None:
    batches = EvalBatches(noise, tiny.workload(), "val", 1)
    delivered = list(data.stream(batches.batch, batches.num_batches, 1, one_replica()))
    assert_same(delivered[-1], batches.batch(batches.num_batches - 1, 0))
    counted = sum(int(page.any()) for batch in delivered for page in batch.pixels.numpy())
    assert counted == 5  # a row that fills up is black


def test_an_error_in_a_loader_is_raised_here(noise: Store) -> None:
    batches = TrainBatches(noise, tiny.workload(), 1, 1)

    def failing(step: int, replica: int) -> Batch:
        if step:
            raise RuntimeError("a page that cannot be read")
        return batches.batch(0, 0)

    with pytest.raises(tf.errors.OpError, match="a page that cannot be read"):
        list(data.stream(failing, 2, 1, one_replica()))


def test_the_resident_batch_is_the_first(noise: Store) -> None:
    batches = TrainBatches(noise, tiny.workload(), seed=1, replicas=1)
    assert_same(data.resident(batches.batch, one_replica()), batches.batch(0, 0))
