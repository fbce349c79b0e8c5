"""Answers the equality ladder (shared.probe). Mirror: `pt_impl/probe.py`."""

from __future__ import annotations

import sys

import numpy as np
import tensorflow as tf

from shared.batches import EvalBatches, architecture_of
from shared.convert import from_hwio
from shared.efficientnet import is_statistic
from shared.probe import Arrays, Task, answer
from shared.store import open_store
from shared.weights import Weights, initial_weights
from tf_impl import data
from tf_impl.model import EfficientNet, named_tensors, weights_of
from tf_impl.replicas import Replicas
from tf_impl.step import Batch, Step


def make_step(task: Task, weights: Weights, norm_momentum: float | None = None) -> Step:
    """A step on one replica, as the worker makes it."""
    model = task.workload.model
    momentum = model.norm_momentum if norm_momentum is None else norm_momentum
    network = EfficientNet(architecture_of(task.workload), weights, momentum, model.norm_epsilon)
    return Step(network, task.workload, task.precision, 1)


def one_replica() -> Replicas:
    """This process as the only replica, on the CPU."""
    return Replicas(0, 1, tf.distribute.get_strategy())


def resident(task: Task, step: int = 0) -> Batch:
    """A batch of the task on the device."""
    return data.resident(lambda _step, _replica: task.batch(step), one_replica())


def parameters(task: Task) -> Arrays:
    """Every tensor by canonical name, and the number of trained scalars."""
    network = make_step(task, task.start()).network
    count = sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
    return weights_of(network) | {"num_trainable": np.array(count)}


def input_batches(task: Task) -> Arrays:
    """What the real input pipeline delivers for the first steps, and the network input made from it."""
    step = make_step(task, task.start())
    arrays: Arrays = {}
    stream = data.stream(task.batches().batch, task.steps, 1, one_replica())
    for index, batch in enumerate(stream):
        pages, labels, _, shear, keep_block, keep_unit = (tensor.numpy() for tensor in batch)
        arrays |= {f"pages.{index}": pages, f"labels.{index}": labels, f"shear.{index}": shear}
        arrays |= {f"keep_block.{index}": keep_block, f"keep_unit.{index}": keep_unit}
        arrays[f"images.{index}"] = step.images(batch, augment=True).numpy()
    return arrays


def forward(task: Task) -> Arrays:
    """Statistics after one training-mode pass that replaces them, then logits in evaluation mode."""
    step = make_step(task, task.start(), norm_momentum=0.0)
    images = step.images(resident(task), augment=False)
    step.network(images, training=True)
    logits = step.network(images)
    statistics = {name: value for name, value in weights_of(step.network).items() if is_statistic(name)}
    return statistics | {"logits": logits.numpy()}


def backward(task: Task) -> Arrays:
    """Loss and every gradient, training mode, nothing dropped."""
    step = make_step(task, task.start())
    step.drops_blocks = step.drops_units = False
    loss, gradients = step.loss_and_gradients(resident(task))
    of_variable = {id(v): gradient for v, gradient in zip(step.optimizer.parameters, gradients, strict=True)}
    trained = {name: v for name, v in named_tensors(step.network).items() if not is_statistic(name)}
    by_name = {name: from_hwio(name, of_variable[id(v)].numpy()) for name, v in trained.items()}
    assert len(by_name) == len(gradients)
    return by_name | {"loss": loss.numpy()}


def trajectory(task: Task) -> Arrays:
    """Losses of the first steps of a training, and every tensor after them."""
    step = make_step(task, task.start())
    plan = task.rates()
    losses = [float(step.train(resident(task, index), float(plan[index]))) for index in range(task.steps)]
    return weights_of(step.network) | {"losses": np.array(losses)}


def accuracy(task: Task) -> Arrays:
    """Correctly classified test pages after a short training, for each seed."""
    store = open_store(task.store)
    correct = []
    for seed in task.seeds:
        step = make_step(task, initial_weights(architecture_of(task.workload), seed))
        stream = data.stream(task.batches(seed).batch, task.steps, 0, one_replica())
        for rate, batch in zip(task.rates(), stream, strict=True):
            step.train(batch, float(rate))
        evaluation = EvalBatches(store, task.workload, "test", 1)
        counts = [step.evaluate(b) for b in data.stream(evaluation.batch, evaluation.num_batches, 0, one_replica())]
        correct.append(np.sum([count.numpy() for count in counts], axis=0))
    return {"correct": np.array(correct)[:, 0], "total": np.array(correct)[:, 1]}


PROBES = {
    "parameters": parameters,
    "input": input_batches,
    "forward": forward,
    "backward": backward,
    "trajectory": trajectory,
    "accuracy": accuracy,
}

if __name__ == "__main__":
    # one thread: the other wing answers on the other core at the same time
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    answer(sys.argv[1:], PROBES)
