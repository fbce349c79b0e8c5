"""Two replicas on the CPU: `python two_replicas.py STORE FOLDER` prints what the test looks at."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import tensorflow as tf

from shared import loss_scale
from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.families.efficientnet.batch import PageBatch
from shared.family import Batch
from shared.protocol import leave
from shared.store import Store, open_store
from tests import tiny
from tests.tf_impl.short_network import make_step, weights_of
from tf_impl import data, replicas
from tf_impl.step import Step


def delivered_as_made(store: Store, group: replicas.Replicas, workers: int) -> bool:
    """Whether every replica gets its share of every step, in order."""
    batches = TrainBatches(store, tiny.workload(), 1, 2)
    steps = list(data.stream(batches.batch, 3, workers, group))
    assert len(steps) == 3
    return all(
        np.array_equal(shares[replica], array)
        for step, batch in enumerate([*steps, data.resident(batches.batch, group)])
        for replica in range(2)
        for shares, array in zip(
            [group.placement.experimental_local_results(field) for field in batch],
            batches.batch(step % 3, replica),
            strict=True,
        )
    )


def together(store: Store, group: replicas.Replicas, copied_ahead: bool) -> list[int]:
    """How many loaders were at work whenever one came: they wait for each other until eight are inside.

    Args:
        copied_ahead: read through the iterator that GPUs have, which copies ahead of time.
    """
    batches, workers = TrainBatches(store, tiny.workload(), 1, 2), 4
    barrier, lock, inside, seen = threading.Barrier(8), threading.Lock(), 0, []

    def load(step: int, replica: int) -> Batch:
        nonlocal inside
        if threading.current_thread() is not threading.main_thread():  # which only looks at the shapes
            with lock:
                inside += 1
                seen.append(inside)
            barrier.wait(60)  # fails where fewer loaders are at work than the record says
            with lock:
                inside -= 1
        return batches.batch(step, replica)

    with mock.patch.object(tf.config, "list_logical_devices", return_value=["GPU"] if copied_ahead else []):
        assert len(list(data.stream(load, 8, workers, group))) == 8
    return seen


def placed(store: Store, group: replicas.Replicas, batch: Batch, logits: list[tf.Tensor], step: Step) -> dict[str, Any]:
    """Where each replica's share of a batch, weights and results lie, and what is said of one that lies elsewhere."""
    results = group.placement.experimental_local_results
    shares = [PageBatch(*[tf.constant([[number]])] * len(PageBatch._fields)) for number in range(2)]
    texts = data.to_device(shares, group)
    weight = results(step.network.classifier.weight)
    group.require_placed("the logits", logits)
    group.require_placed("a weight", weight)
    try:
        group.require_placed("the logits", logits[::-1])
        said = ""
    except UserError as error:
        said = str(error)
    everywhere = [[value.backing_device for value in results(field)] for field in (*batch, *texts)]
    return {"resident": everywhere, "logits": [value.backing_device for value in logits], "said": said}


def main(store_path: str, folder: str) -> None:
    store = open_store(store_path)
    group = replicas.start(tiny.make_cell(Path(folder), Path(store_path), "tf", replicas=2))
    found: dict[str, Any] = {"in_order": [delivered_as_made(store, group, workers) for workers in (0, 1, 2)]}
    found["loaders"] = [together(store, group, copied_ahead) for copied_ahead in (False, True)]
    workload = tiny.workload(model__norm_momentum=0.5)
    loss_scale.INITIAL_SCALE = 8.0
    with group.placement.scope():
        step = make_step(workload, "fp16", 2)
    network = step.network
    evaluation = EvalBatches(store, workload, "val", 2)
    stream = data.stream(evaluation.batch, evaluation.num_batches, 0, group)
    found["rows"], found["logits"] = [], []
    for index, batch in enumerate(stream):
        for replica, logits in enumerate(step.predict(batch)):
            samples = evaluation.samples(index, replica)
            found["rows"] += samples.tolist()
            found["logits"] += logits.numpy()[: len(samples)].tolist()

    # the second replica's loss is not finite: neither may move
    batch = data.resident(TrainBatches(store, workload, 0, 2).batch, group)
    found["placed"] = placed(store, group, batch, step.predict(batch), step)
    factors = [1.0, 1e6]
    spoilt = group.placement.experimental_distribute_values_from_function(
        lambda context: (
            group.placement.experimental_local_results(batch.keep_unit)[context.replica_id_in_sync_group]
            * factors[context.replica_id_in_sync_group]
        )
    )
    before = weights_of(network)["classifier.weight"]
    step.train(batch._replace(keep_unit=spoilt), 0.1)
    copies = group.placement.experimental_local_results(network.classifier.weight)
    found["skipped"] = [bool(np.array_equal(copy.numpy().T, before)) for copy in copies]
    found["scale"] = float(step.scale.numpy())
    step.train(batch, 0.1)
    copies = group.placement.experimental_local_results(network.classifier.weight)
    found["moved_alike"] = bool(
        np.array_equal(copies[0], copies[1]) and not np.array_equal(copies[0].numpy().T, before)
    )
    with group.placement.scope():
        alone = make_step(workload, "fp32", 2, exchange=False)
    alone.train(batch, 0.1)
    biases = group.placement.experimental_local_results(alone.network.classifier.bias)
    found["alone"] = [bias.numpy().tolist() for bias in biases]
    print(json.dumps(found))


if __name__ == "__main__":
    tf.get_logger().setLevel("ERROR")
    main(*sys.argv[1:])
    leave(0)
