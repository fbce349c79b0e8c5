"""Replicas: one process drives them all through MirroredStrategy. Mirror: `pt_impl/replicas.py`."""

from __future__ import annotations

import os
from dataclasses import dataclass

import tensorflow as tf

from shared.protocol import Cell


@dataclass(frozen=True)
class Replicas:
    """The replicas that this process drives."""

    rank: int
    count: int
    placement: tf.distribute.Strategy  # where all replicas compute

    @property
    def local(self) -> int:
        """Replicas that this process drives."""
        return self.count

    def synchronize(self) -> None:
        """Wait for every device; there is no other rank to meet."""
        tf.test.experimental.sync_devices()


def start(cell: Cell) -> Replicas:
    """Pin the cores of all replicas, set the threads, make one device a replica and the strategy over them."""
    cores = sorted({core for group in cell.cores for core in group})
    if cores:
        os.sched_setaffinity(0, cores)
    # A kernel is split as within one replica: split over all replicas' cores, two replicas' kernels get into each
    # other's way (two CPU replicas of a core, `quick`: a step of EfficientNet-B0 367 ms, so 282; of BERT 185, 123).
    tf.config.threading.set_intra_op_parallelism_threads(cell.threads_per_replica)
    if cell.device == "cpu":  # on GPUs these threads only start kernels: as many as TensorFlow likes
        tf.config.threading.set_inter_op_parallelism_threads(max(2, cell.replicas))
    if cell.device == "cuda":
        # the matched arm computes in the precision it names: TF32 is off in both wings
        tf.config.experimental.enable_tensor_float_32_execution(False)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        devices = [f"/gpu:{index}" for index in range(cell.replicas)]
        return Replicas(0, cell.replicas, tf.distribute.MirroredStrategy(devices))
    tf.config.set_visible_devices([], "GPU")
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * cell.replicas)
    devices = [f"/cpu:{index}" for index in range(cell.replicas)]
    reduction = tf.distribute.ReductionToOneDevice()  # all replicas share the host's memory: nothing to pack or ring
    return Replicas(0, cell.replicas, tf.distribute.MirroredStrategy(devices, cross_device_ops=reduction))


def stop() -> None:
    """Nothing to leave: there is one process."""
