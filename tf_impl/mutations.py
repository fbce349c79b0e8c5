"""Differences that the ladder plants in this wing, whatever the network. Mirror: `pt_impl/mutations.py`.

Each function changes the running process; `bench verify --mutations` starts a probe or a worker with it, to prove that
a rung can fail. Those of one network are in its room's `mutations` module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from shared import distillation
from shared.protocol import Cell, leave
from shared.store import Store
from tf_impl import losses, step, worker


def summed_gradients() -> None:
    """Gradients are summed over replicas, not averaged."""
    loss_and_gradients = step.Step.loss_and_gradients

    def summed(self: step.Step, batch: Any) -> tuple[tf.Tensor, list[tf.Tensor]]:
        loss, gradients = loss_and_gradients(self, batch)
        return loss, [gradient * self.num_sharing for gradient in gradients]

    step.Step.loss_and_gradients = summed  # type: ignore[method-assign]


def weight_on_the_labels() -> None:
    """A distillation's weight lies on the labels' loss, not on the divergence from the teacher."""

    def swapped(loss: Any) -> Any:
        def other(logits: tf.Tensor, labels: tf.Tensor, *, weight: float, **settings: Any) -> tf.Tensor:
            return weight * loss(logits, labels, weight=1.0 / weight, **settings)

        return other

    for name in ("distilled_cross_entropy", "distilled_binary_cross_entropy"):
        setattr(losses, name, swapped(getattr(losses, name)))


def teacher_by_place_in_the_batch() -> None:
    """The teacher's logits are found by a document's place in its batch, while documents are shuffled."""
    with_teacher = distillation.with_teacher

    def by_place(labels: np.ndarray, store: Store, samples: np.ndarray) -> np.ndarray:
        return with_teacher(labels, store, np.arange(len(samples)))

    distillation.with_teacher = by_place


def plant(family: str, function: str) -> None:
    """Call a mutation of a family's room, or of this module."""
    room = import_module(f"tf_impl.families.{family}.mutations")
    mutation = getattr(room, function, None) or globals()[function]
    mutation()


if __name__ == "__main__":
    # FUNCTION CELL.json: a worker with a mutation
    name, path = sys.argv[1:]
    plant(Cell.read(Path(path)).workload.model.family, name)
    sys.argv[1:] = [path]
    leave(worker.main())
