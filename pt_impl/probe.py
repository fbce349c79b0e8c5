"""Answers the equality ladder (shared.probe). Mirror: `tf_impl/probe.py`."""

from __future__ import annotations

import sys

import numpy as np
import torch

from pt_impl import data, networks
from pt_impl.inputs import Batch
from pt_impl.networks import named_tensors, weights_of
from pt_impl.replicas import Replicas
from pt_impl.step import Step
from pt_impl.tokenizer import tokens
from shared.batches import EvalBatches
from shared.efficientnet import is_statistic
from shared.networks import architecture_of
from shared.probe import Arrays, Task, answer
from shared.store import open_store
from shared.weights import Weights, initial_weights


def make_step(task: Task, weights: Weights) -> Step:
    """A step on one replica, as the worker makes it."""
    return Step(networks.build(task.workload, weights), task.workload, task.precision, 1)


def one_replica() -> Replicas:
    """This process as the only replica, on the CPU."""
    return Replicas(0, 1, torch.device("cpu"))


def resident(task: Task, step: int = 0) -> Batch:
    """A batch of the task on the device."""
    return data.resident(lambda _step, _replica: task.batch(step), one_replica())


def parameters(task: Task) -> Arrays:
    """Every tensor by canonical name, and the number of trained scalars."""
    network = make_step(task, task.start()).network
    return weights_of(network) | {"num_trainable": np.array(networks.num_trained(network))}


def input_batches(task: Task) -> Arrays:
    """What the real input pipeline delivers for the first steps, and the network's input made from it."""
    step = make_step(task, task.start())
    arrays: Arrays = {}
    stream = data.stream(task.batches().batch, task.steps, 1, one_replica())
    for index, batch in enumerate(stream):
        arrays |= {f"{field}.{index}": tensor.numpy() for field, tensor in batch._asdict().items()}
        inputs = step.inputs(batch, training=True)
        if task.is_text:
            arrays[f"padding.{index}"] = np.isneginf(inputs[1].numpy())
        else:
            arrays[f"images.{index}"] = inputs[0].permute(0, 2, 3, 1).numpy()
    return arrays


def forward(task: Task) -> Arrays:
    """Logits in evaluation mode; where there are statistics, after one training-mode pass that replaces them."""
    step = make_step(task.with_fresh_statistics(), task.start())
    with torch.no_grad():
        inputs = step.inputs(resident(task), training=False)
        step.network(*inputs, training=True)
        logits = step.network(*inputs)
    statistics = {name: value for name, value in weights_of(step.network).items() if is_statistic(name)}
    return statistics | {"logits": logits.numpy()}


def backward(task: Task) -> Arrays:
    """Loss and every gradient, training mode, nothing dropped."""
    step = make_step(task.without_drops(), task.start())
    loss, gradients = step.loss_and_gradients(resident(task))
    trained = [name for name in named_tensors(step.network) if not is_statistic(name)]
    by_name = {name: tensor.grad for name, tensor in named_tensors(step.network).items() if name in trained}
    assert len(by_name) == len(gradients)
    return {name: gradient.numpy() for name, gradient in by_name.items()} | {"loss": loss.numpy()}


def trajectory(task: Task) -> Arrays:
    """Losses of the first steps of a training, and every tensor after them."""
    step = make_step(task, task.start())
    plan = task.rates()
    losses = [float(step.train(resident(task, index), float(plan[index]))) for index in range(task.steps)]
    return weights_of(step.network) | {"losses": np.array(losses)}


def predictions(task: Task) -> Arrays:
    """The class of every test document after a short training (int64, n), and the right one."""
    store = open_store(task.store)
    step = make_step(task, initial_weights(architecture_of(task.workload), task.seed))
    stream = data.stream(task.batches().batch, task.steps, 0, one_replica())
    for rate, batch in zip(task.rates(), stream, strict=True):
        step.train(batch, float(rate))
    evaluation = EvalBatches(store, task.workload, "test", 1)
    predicted = []
    for index, batch in enumerate(data.stream(evaluation.batch, evaluation.num_batches, 0, one_replica())):
        logits = step.predict(batch).numpy()[: len(evaluation.samples(index, 0))]
        predicted.append(logits.argmax(1))
    return {"predicted": np.concatenate(predicted), "labels": store.labels[evaluation.indices]}


PROBES = {
    "parameters": parameters,
    "tokens": tokens,
    "input": input_batches,
    "forward": forward,
    "backward": backward,
    "trajectory": trajectory,
    "predictions": predictions,
}

if __name__ == "__main__":
    torch.set_num_threads(1)  # the other wing answers on the other core at the same time
    answer(sys.argv[1:], PROBES)
