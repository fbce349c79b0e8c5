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

from pt_impl import data, losses, worker
from pt_impl.replicas import Replicas
from shared import batches, distillation
from shared.protocol import Cell, leave
from shared.store import Store


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


def divergence_turned_round() -> None:
    """The divergence from a teacher the other way round."""
    divergence, other = losses._divergence, {"student": "teacher", "teacher": "student"}

    def turned(student: Any, teacher: Any, direction: str, *rest: Any) -> Any:
        return divergence(student, teacher, other[direction], *rest)

    losses._divergence = turned  # type: ignore[assignment]


def teacher_of_the_next_row() -> None:
    """Every document has the teacher's logits of the next one."""
    with_teacher = distillation.with_teacher

    def shifted(labels: np.ndarray, store: Store, samples: np.ndarray) -> np.ndarray:
        return with_teacher(labels, store, (samples + 1) % len(store.labels))

    distillation.with_teacher = shifted
    load_in_this_process()


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
