"""The input pipeline: tf.data with a parallel map and prefetching to the devices. Mirror: `pt_impl/data.py`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from shared.family import Batch
from tf_impl.family import Finish, Load
from tf_impl.replicas import Replicas

PREFETCH = 2  # batches that are ready, a replica


def stream(load: Load, count: int, workers: int, replicas: Replicas, finish: Finish | None = None) -> Iterator[Batch]:
    """Batches 0 .. count - 1 on the devices, in order, assembled ahead of time.

    Args:
        load: makes batch k of replica r.
        workers: threads that assemble batches, per replica; 0 leaves it to the reading thread.
        finish: what is still to be done to a batch of tensors, in the graph of the pipeline.
    """
    example = load(0, 0)
    total = replicas.count

    def assemble(item: np.ndarray) -> list[np.ndarray]:
        return list(load(int(item) // total, int(item) % total))

    def element(item: tf.Tensor) -> Batch:
        tensors = tf.numpy_function(assemble, [item], [_tensor_dtype(array) for array in example])
        # texts of another batch may be padded to another width: only the number of axes is known ahead
        shaped = (
            tf.ensure_shape(tensor, [len(array), *[None] * (array.ndim - 1)])
            for tensor, array in zip(tensors, example, strict=True)
        )
        batch = type(example)(*shaped)
        return finish(batch) if finish else batch

    def pipeline(_: tf.distribute.InputContext) -> tf.data.Dataset:
        # consecutive elements go to consecutive replicas
        items = tf.data.Dataset.range(count * total)
        dataset = items.map(element, num_parallel_calls=workers * total or None).prefetch(PREFETCH * total)
        # Everything is set here, so there is nothing to tune, and the tuner's thread can hold up the iterator's end for
        # up to a minute.
        options = tf.data.Options()
        options.deterministic = True
        options.autotune.enabled = False
        if workers:  # else the loaders share the process's inter-op threads, with each other and with the step
            options.threading.private_threadpool_size = workers * total
        return dataset.with_options(options)

    # To GPUs batches are copied ahead of time. A CPU replica reads host memory as it is: there the copying iterator
    # would only bring a tuner's thread of its own.
    fetching = tf.distribute.InputOptions(experimental_fetch_to_device=bool(tf.config.list_logical_devices("GPU")))
    yield from replicas.placement.distribute_datasets_from_function(pipeline, fetching)


def _tensor_dtype(array: np.ndarray) -> tf.DType:
    """What an array is as a tensor; objects are strings."""
    return tf.string if array.dtype == object else tf.as_dtype(array.dtype)


def resident(load: Load, replicas: Replicas, finish: Finish | None = None) -> Batch:
    """Batch 0 on the devices, to stay there."""
    return to_device(on_host(load, replicas, finish), replicas)


def on_host(load: Load, replicas: Replicas, finish: Finish | None = None) -> list[Batch]:
    """Batch 0 in the host's memory, a share a replica."""
    shares = [load(0, replica) for replica in range(replicas.count)]
    if finish:
        shares = [finish(type(share)(*(tf.constant(array) for array in share))) for share in shares]
    return shares


def to_device(host: list[Batch], replicas: Replicas) -> Batch:
    """A batch on the devices, each replica's share on its own."""
    if replicas.count == 1:  # as a user without a strategy would: taking values apart takes longer than a copy
        with tf.device(replicas.devices[0]):
            return type(host[0])(*(tf.identity(tf.constant(values)) for values in host[0]))

    def share(context: tf.distribute.ValueContext, index: int) -> tf.Tensor:
        # the strategy itself would leave all of them on the first device, to be copied in every step
        number = context.replica_id_in_sync_group
        with tf.device(replicas.devices[number]):
            return tf.identity(tf.constant(host[number][index]))

    def field(index: int) -> tf.Tensor:
        values = replicas.placement.experimental_distribute_values_from_function(lambda context: share(context, index))
        # one replica's is bare in a stream: wrapped up it would be another type, and the step be traced anew
        return values if replicas.count > 1 else replicas.placement.experimental_local_results(values)[0]

    return type(host[0])(*(field(index) for index in range(len(host[0]))))
