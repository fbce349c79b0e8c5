"""Answers the equality ladder (shared.probe). Mirror: `pt_impl/probe.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from shared import probe
from shared.family import Batch, Weights
from shared.layouts import from_hwio
from shared.probe import Arrays, Task, answer
from tf_impl import data, mutations, networks, tokenizer
from tf_impl.replicas import Replicas
from tf_impl.step import Step


def one_replica() -> Replicas:
    """This process as the only replica, on the CPU."""
    return Replicas(0, 1, tf.distribute.get_strategy())


class Probe(probe.Probe):
    """TensorFlow's answers."""

    def make_step(self, task: Task, weights: Weights) -> Step:
        """A step on one replica, as the worker makes it."""
        return Step(networks.build(task.workload, weights), task.workload, task.precision, 1)

    def stream(self, load: Callable[[int, int], Batch], count: int, workers: int) -> Iterator[Any]:
        """What tf.data delivers."""
        return data.stream(load, count, workers, one_replica())

    def resident(self, batch: Batch) -> Any:
        """A batch of tensors."""
        return data.resident(lambda _step, _replica: batch, one_replica())

    def array(self, value: tf.Tensor) -> np.ndarray:
        """A tensor's content."""
        return value.numpy()

    def observed(self, step: Step, batch: Any) -> Arrays:
        """What the network reads of a training batch, and what is dropped of it."""
        return {name: self.array(tensor) for name, tensor in step.observed(batch).items()}

    def weights_of(self, step: Step) -> Weights:
        """Every tensor by canonical name and layout."""
        return networks.weights_of(step.network, step.workload)

    def num_trained(self, step: Step) -> int:
        """Number of trained scalars."""
        return networks.num_trained(step.network)

    def forward_twice(self, step: Step, batch: Any) -> np.ndarray:
        """Logits in evaluation mode, after a pass in training mode that drops nothing."""
        inputs = step.inputs(batch, training=False)
        step.network(inputs, None, training=True)
        return self.array(step.logits(inputs))

    def gradients(self, step: Step, batch: Any) -> tuple[np.ndarray, Arrays]:
        """Loss, and every gradient by canonical name and layout."""
        loss, gradients = step.loss_and_gradients(batch)
        parameters = step.network.canonical_parameters()
        pairs = zip(parameters, gradients, strict=True)
        return self.array(loss), {name: from_hwio(name, self.array(gradient)) for name, gradient in pairs}

    def logits(self, step: Step, batch: Any) -> np.ndarray:
        """As evaluation computes them."""
        (logits,) = step.predict(batch)
        return self.array(logits)

    def tokens(self, task: Task) -> Arrays:
        """The tokenisers on a store's texts."""
        return tokenizer.tokens(task)


if __name__ == "__main__":
    # one thread: the other wing answers on the other core at the same time
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    answer(sys.argv[1:], Probe(), mutations.plant)
