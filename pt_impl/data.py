"""The input pipeline: a DataLoader with worker processes and pinned memory. Mirror: `tf_impl/data.py`."""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import os
import sys
from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Dataset

from pt_impl.family import Finish, Load
from pt_impl.replicas import Replicas
from shared.family import Batch

PREFETCH = 2  # batches that each loader process has ready


class _Steps(Dataset):
    """Batch k of a replica as item k."""

    def __init__(self, load: Load, count: int, rank: int, finish: Finish | None = None) -> None:
        self.load = load
        self.count = count
        self.rank = rank
        self.finish = finish

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, step: int) -> Batch:
        batch = self.load(step, self.rank)
        if self.finish:
            batch = self.finish(batch)
        return type(batch)(*(torch.from_numpy(array) for array in batch))


def _end_with_its_errors(worker: int) -> None:
    """In a loader process: an error of the thread that hands batches over ends the process, as one anywhere else does.

    Python's own way is to print it and to lose the batch, which the training then waits for without an end. A process
    that has ended is seen within seconds (torch.utils.data looks every five).
    """

    def end(error: Exception, item: object) -> None:
        words = f"loader {worker} could not hand a batch over: {type(error).__name__}: {error}"
        print(words, file=sys.stderr, flush=True)
        os._exit(1)

    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(end)  # type: ignore[attr-defined]


def stream(load: Load, count: int, workers: int, replicas: Replicas, finish: Finish | None = None) -> Iterator[Batch]:
    """Batches 0 .. count - 1 on the device, in order, assembled ahead of time.

    Args:
        load: makes batch k of replica r; called in worker processes.
        workers: processes that assemble batches, per replica; 0 leaves it to this one.
        finish: what is still to be done to a batch of arrays, in the same processes.
    """
    if workers:
        # Never a plain fork: this process has the threads of its process group and of its kernels, and a child that is
        # forked while one of them holds a lock waits for it forever. The fork server has none, and imports torch once.
        multiprocessing.set_forkserver_preload(["torch", "shared.batches"])
    loader = DataLoader(
        _Steps(load, count, replicas.rank, finish),
        batch_size=None,
        num_workers=workers,
        pin_memory=replicas.placement.type == "cuda",
        prefetch_factor=PREFETCH if workers else None,
        multiprocessing_context="forkserver" if workers else None,
        worker_init_fn=_end_with_its_errors if workers else None,
    )
    for batch in loader:
        yield to_device(batch, replicas)


def resident(load: Load, replicas: Replicas, finish: Finish | None = None) -> Batch:
    """Batch 0 on the device, to stay there."""
    return to_device(on_host(load, replicas, finish), replicas)


def on_host(load: Load, replicas: Replicas, finish: Finish | None = None) -> Batch:
    """Batch 0 as the loader leaves it: in the host's memory, pinned where there is a GPU."""
    batch = _Steps(load, 1, replicas.rank, finish)[0]
    if replicas.placement.type == "cuda":
        batch = type(batch)(*(tensor.pin_memory() for tensor in batch))
    return batch


def to_device(host: Batch, replicas: Replicas) -> Batch:
    """A batch on the device; the copy from pinned memory runs beside the device's work."""
    return type(host)(*(tensor.to(replicas.placement, non_blocking=True) for tensor in host))
