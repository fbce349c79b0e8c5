"""Replicas: one process drives them all through MirroredStrategy. Mirror: `pt_impl/replicas.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from shared.errors import UserError
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

    @property
    def devices(self) -> tuple[str, ...]:
        """Where each replica computes, as TensorFlow names it; without a strategy over devices "": anywhere."""
        if not isinstance(self.placement, tf.distribute.MirroredStrategy):
            return ("",)
        return tuple(self.placement.extended.worker_devices)

    def require_placed(self, what: str, values: Sequence[tf.Tensor | tf.Variable]) -> None:
        """
        Args:
            what: the values' name, for the message.
            values: one per replica, of the first replicas.

        Raises:
            UserError: one lies on another device than its replica's.
        """
        for number, (value, expected) in enumerate(zip(values, self.devices, strict=False)):
            found = value.device if isinstance(value, tf.Variable) else value.backing_device
            if not found.endswith(expected):
                raise UserError(f"{what} of replica {number} lies on {found}, not on {expected}: no true figure")

    def synchronize(self) -> None:
        """Wait for every device; there is no other rank to meet."""
        tf.test.experimental.sync_devices()


def start(cell: Cell) -> Replicas:
    """Pin the cores of all replicas, set the threads, make one device a replica and the strategy over them.

    Raises:
        UserError: a cell on GPUs, of which TensorFlow sees fewer than replicas.
    """
    if cell.device == "cuda":
        require_gpus(len(tf.config.list_physical_devices("GPU")), cell)
    cores = sorted({core for group in cell.cores for core in group})
    if cores:
        os.sched_setaffinity(0, cores)
    # A kernel is split as within one replica: split over all replicas' cores, two replicas' kernels get into each
    # other's way (two CPU replicas of a core, `quick`: a step of EfficientNet-B0 367 ms, so 282; of BERT 185, 123).
    tf.config.threading.set_intra_op_parallelism_threads(cell.threads_per_replica)
    if cell.device == "cpu":  # on GPUs these threads only start kernels: as many as TensorFlow likes
        tf.config.threading.set_inter_op_parallelism_threads(max(2, cell.replicas))
    if cell.device == "cuda":
        # what has no kernel there fails, instead of moving to the CPU in silence
        tf.config.set_soft_device_placement(False)
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


def require_gpus(num_seen: int, cell: Cell) -> None:
    """
    Raises:
        UserError: fewer GPUs than replicas.
    """
    if num_seen < cell.replicas:
        raise UserError(
            f"TensorFlow {tf.__version__} sees {num_seen} GPUs, the cell needs {cell.replicas}: install its CUDA "
            "libraries (pip install 'tensorflow[and-cuda]') and see `bench doctor`, or choose --device cpu"
        )


def stop() -> None:
    """Nothing to leave: there is one process."""
