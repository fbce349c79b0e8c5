"""The input pipeline: tf.data with a parallel map and prefetching to the devices. Mirror: `pt_impl/data.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from shared import batches
from tf_impl.replicas import Replicas

Load = Callable[[int, int], batches.Batch]


def stream(load: Load, count: int, workers: int, replicas: Replicas) -> Iterator[tuple[tf.Tensor, ...]]:
    """Batches 0 .. count - 1 on the devices, in order, assembled ahead of time.

    Args:
        load: makes batch k of replica r.
        workers: threads that assemble batches, a replica; 0 leaves it to the reading thread.
    """
    example = load(0, 0).arrays()
    total = replicas.count

    def assemble(item: np.ndarray) -> list[np.ndarray]:
        return list(load(int(item) // total, int(item) % total).arrays())

    def element(item: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tensors = tf.numpy_function(assemble, [item], [array.dtype for array in example])
        return tuple(tf.ensure_shape(tensor, array.shape) for tensor, array in zip(tensors, example, strict=True))

    def pipeline(_: tf.distribute.InputContext) -> tf.data.Dataset:
        # consecutive elements go to consecutive replicas
        items = tf.data.Dataset.range(count * total)
        dataset = items.map(element, num_parallel_calls=workers * total or None).prefetch(2 * total)
        # Everything is set here, so there is nothing to tune, and the tuner's thread can hold up the iterator's end for
        # up to a minute.
        options = tf.data.Options()
        options.deterministic = True
        options.autotune.enabled = False
        return dataset.with_options(options)

    # To GPUs batches are copied ahead of time. A CPU replica reads host memory as it is: there the copying iterator
    # would only bring a tuner's thread of its own.
    fetching = tf.distribute.InputOptions(experimental_fetch_to_device=bool(tf.config.list_logical_devices("GPU")))
    yield from replicas.placement.distribute_datasets_from_function(pipeline, fetching)


def resident(load: Load, replicas: Replicas) -> tuple[tf.Tensor, ...]:
    """Batch 0 on the devices, to stay there."""
    shares = [load(0, replica).arrays() for replica in range(replicas.count)]

    def field(index: int) -> tf.Tensor:
        return replicas.placement.experimental_distribute_values_from_function(
            lambda context: tf.constant(shares[context.replica_id_in_sync_group][index])
        )

    return tuple(field(index) for index in range(len(batches.FIELDS)))
