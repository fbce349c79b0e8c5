"""The input pipeline delivers the batches of shared.batches, in order, and leaves no process."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from tests import tiny, tiny_text

torch = pytest.importorskip("torch")

from pt_impl import data  # noqa: E402
from pt_impl.replicas import Replicas  # noqa: E402
from shared.batches import EvalBatches, TrainBatches  # noqa: E402
from shared.families.efficientnet.batch import PageBatch  # noqa: E402
from shared.family import Batch  # noqa: E402
from shared.store import Store  # noqa: E402


def place(rank: int, count: int) -> Replicas:
    return Replicas(rank, count, torch.device("cpu"))


def processes() -> set[psutil.Process]:
    gc.collect()  # a traceback may still hold a loader
    return set(psutil.Process().children(recursive=True))


@pytest.fixture(scope="module", autouse=True)
def fork_server(noise: Store) -> Iterator[None]:
    """It starts with the first workers and stays; what comes later must go."""
    for _ in data.stream(TrainBatches(noise, tiny.workload(), 0, 1).batch, 1, 1, place(0, 1)):
        pass
    before = processes()
    yield
    assert processes() == before, "a worker process is left"


def assert_same(delivered: tuple[torch.Tensor, ...], expected: Batch) -> None:
    for tensor, array in zip(delivered, expected, strict=True):
        assert np.array_equal(tensor.numpy(), array)
        assert tensor.numpy().dtype == array.dtype


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("kind", ["noise", "babble"])
def test_batches_and_their_draws_come_in_order_for_every_replica(
    kind: str, workers: int, request: pytest.FixtureRequest
) -> None:
    """Into the second epoch."""
    store, workload = request.getfixturevalue(kind), {"noise": tiny, "babble": tiny_text}[kind].workload()
    before = processes()
    batches = TrainBatches(store, workload, seed=1, replicas=2)
    assert batches.steps_per_epoch < 5
    for rank in range(2):
        delivered = list(data.stream(batches.batch, 5, workers, place(rank, 2)))
        assert len(delivered) == 5
        for step, batch in enumerate(delivered):
            assert_same(batch, batches.batch(step, rank))
    assert processes() == before


def test_a_stream_that_is_left_early_leaves_no_process(noise: Store) -> None:
    before = processes()
    stream = data.stream(TrainBatches(noise, tiny.workload(), 1, 1).batch, 50, 2, place(0, 1))
    next(stream)
    assert len(processes() - before) == 2
    stream.close()
    assert processes() == before


def test_evaluation_batches_keep_the_rows_that_fill_them_up(noise: Store) -> None:
    batches = EvalBatches(noise, tiny.workload(), "val", 2)
    delivered = list(data.stream(batches.batch, batches.num_batches, 1, place(1, 2)))
    for index, batch in enumerate(delivered):
        assert_same(batch, batches.batch(index, 1))
    counted = sum(int(page.any()) for batch in delivered for page in batch.pixels)
    assert counted == 2  # of five pages, replica 1 has two; a row that fills up is black


def test_the_resident_batch_is_the_first(noise: Store) -> None:
    batches = TrainBatches(noise, tiny.workload(), seed=1, replicas=2)
    assert_same(data.resident(batches.batch, place(1, 2)), batches.batch(0, 1))


def hand_over_nothing(step: int, rank: int) -> Batch:
    """In a loader process: a batch that the thread which hands it over cannot pickle."""
    from multiprocessing.reduction import ForkingPickler

    def refuse(tensor: torch.Tensor) -> tuple[object, ...]:
        raise OSError(28, "No space left on device")

    if step == 2:
        ForkingPickler.register(torch.Tensor, refuse)
    return PageBatch(*(np.zeros(2, np.uint8) for _ in PageBatch._fields))


def die(step: int, rank: int) -> Batch:
    """In a loader process: as if the kernel had killed it."""
    if step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return PageBatch(*(np.zeros(2, np.uint8) for _ in PageBatch._fields))


@pytest.mark.parametrize("load", [hand_over_nothing, die])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_loader_that_cannot_hand_its_batch_over_is_not_waited_for(load: data.Load, workers: int) -> None:
    # that it has gone is seen by itself, or where a batch is fetched that it had handed over before
    with pytest.raises((RuntimeError, ConnectionError, EOFError, FileNotFoundError)):
        list(data.stream(load, 20, workers, place(0, 1)))
