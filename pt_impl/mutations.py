"""Differences that the ladder plants in this wing, whatever the network. Mirror: `tf_impl/mutations.py`.

Each function changes the running process; `bench verify --mutations` starts a probe or a worker with it, to prove that
a rung can fail. Those of one network are in its room's `mutations` module.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from pt_impl import data, worker
from pt_impl.replicas import Replicas
from shared import batches
from shared.protocol import Cell, leave


def order_of_another_seed() -> None:
    """The samples of the next seed."""
    order = batches.order

    def other(seed: int, epoch: int, count: int) -> np.ndarray:
        return order(seed + 1, epoch, count)

    batches.order = other  # type: ignore[assignment]
    load_in_this_process()


def order_of_the_first_epoch() -> None:
    """Every epoch in the order of the first."""
    order = batches.order

    def first(seed: int, epoch: int, count: int) -> np.ndarray:
        return order(seed, 0, count)

    batches.order = first  # type: ignore[assignment]


def load_in_this_process() -> None:
    """Batches are assembled here, where a mutation is, not in loader processes."""
    stream = data.stream

    def here(load: Any, count: int, workers: int, replicas: Replicas, finish: Any = None) -> Iterator[Any]:
        return stream(load, count, 0, replicas, finish)

    data.stream = here


def plant(family: str, function: str) -> None:
    """Call a mutation of a family's room, or of this module."""
    room = import_module(f"pt_impl.families.{family}.mutations")
    mutation = getattr(room, function, None) or globals()[function]
    mutation()


if __name__ == "__main__":
    # FUNCTION CELL.json: a worker with a mutation
    name, path = sys.argv[1:]
    plant(Cell.read(Path(path)).workload.model.family, name)
    sys.argv[1:] = [path]
    leave(worker.main())
