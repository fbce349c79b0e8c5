"""`python -m tf_impl.worker CELL.json`: run one cell. Mirror: `pt_impl/worker.py`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.events import EventWriter
from shared.out_of_memory import out_of_memory
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell, leave
from shared.session import open_cell_store, process_start_time, run_cell, starting_weights
from shared.spec import TextWorkload
from shared.weights import save_weights
from tf_impl import data, native, native_text, networks, replicas
from tf_impl.inputs import Batch
from tf_impl.step import Step

DENORMAL = 1e-39  # float32: below the smallest normal number


class Wing:
    """TensorFlow's side of shared.wing.Wing."""

    def __init__(self, cell: Cell, group: replicas.Replicas) -> None:
        self.cell = cell
        self.group = group
        self.rank = group.rank
        self.local_replicas = group.local
        with group.placement.scope():
            if cell.arm == "native":
                self.network = native.network(cell)
            else:
                self.network = networks.build(cell.workload, starting_weights(cell))
            self.step = Step(self.network, cell.workload, cell.precision, group.count, cell.exchange)
        for variable in self.network.variables:
            group.require_placed("a weight", group.placement.experimental_local_results(variable))
        self.placed = False  # whether the step's results were seen to lie where they should

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Batch]:
        """Batches of all replicas; the step is compiled for every shape that may come before the first of them."""
        fillers = (lambda _, __, width=width: batches.filler(width) for width in batches.widths)
        self.step.trace(data.resident(filler, self.group) for filler in fillers)
        return self._stream(batches, num_steps)

    def _load(self, batches: TrainBatches | EvalBatches) -> tuple[data.Load, data.Finish | None]:
        """What makes a batch, and what finishes it: the library's tokeniser in the native arm."""
        if self.cell.arm == "native" and isinstance(self.cell.workload, TextWorkload):
            texts = native_text.NativeTexts(batches, self.cell)
            return texts.batch, texts.finish
        return batches.batch, None

    def _stream(self, batches: TrainBatches | EvalBatches, count: int) -> Iterator[Batch]:
        load, finish = self._load(batches)
        return data.stream(load, count, self.cell.loader_workers, self.group, finish)

    def resident_batch(self, batches: TrainBatches) -> Batch:
        """The first batch of all replicas."""
        load, finish = self._load(batches)
        return data.resident(load, self.group, finish)

    def train_step(self, batch: Batch, rate: float) -> tf.Tensor:
        """One optimizer step."""
        loss = self.step.train(batch, rate)
        if not self.placed:
            self.group.require_placed("the loss", [loss])
            self.placed = True
        return loss

    def freeze(self) -> None:
        """Second stage: the classifier alone."""
        self.step.freeze()

    def loss_value(self, loss: tf.Tensor) -> float:
        """Wait for a loss and read it."""
        return float(loss)

    def synchronize(self) -> None:
        """Wait for the devices."""
        self.group.synchronize()

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        """Logits of every replica's share, with replica 0's batch-norm statistics."""
        for variable in self.network.variables:
            first, *others = self.group.placement.experimental_local_results(variable)
            if variable.trainable is False:
                for other in others:
                    other.assign(first)
        for batch in self._stream(batches, batches.num_batches):
            logits = self.step.predict(batch)
            self.group.require_placed("the logits", logits)
            yield [of_replica.numpy() for of_replica in logits]

    def largest(self, value: float) -> float:
        """The value: there is one rank."""
        return value

    def parts(self, batches: TrainBatches) -> dict[str, Callable[[], object]]:
        """The parts of a step, each by itself."""
        load, finish = self._load(batches)
        waiting = data.on_host(load, self.group, finish)
        batch = data.to_device(waiting, self.group)
        smallest = data.resident(lambda _, __: batches.smallest(), self.group)
        return {
            "step": lambda: self.step.train(batch, 0.0),
            "forward_backward": lambda: self.step.backward(batch),
            "overhead": lambda: self.step.backward(smallest),
            "optimizer": self.step.updates(batch),
            "copy": lambda: data.to_device(waiting, self.group),
        }

    def num_traces(self) -> int:
        """How often the training step was compiled."""
        return self.step.num_traces()

    def allocator_peak(self) -> int | None:
        """Peak bytes of TensorFlow's GPU allocators, the largest of them."""
        if self.cell.device != "cuda":
            return None
        return max(tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"] for i in range(self.group.count))

    def reset_allocator_peak(self) -> None:
        """Count the peaks anew."""
        if self.cell.device == "cuda":
            for index in range(self.group.count):
                tf.config.experimental.reset_memory_stats(f"GPU:{index}")

    def settings(self) -> dict[str, Any]:
        """What this process really uses."""
        cuda = self.cell.device == "cuda"
        return {
            "version.python": platform.python_version(),
            "version.tensorflow": tf.__version__,
            "version.keras": tf.keras.__version__,
            "num_parameters": networks.num_trained(self.network),
            "num_classes": self.cell.workload.model.num_classes,
            "threads.intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "threads.inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "layout": "channels-last",
            "compiled": "tf.function" if cuda else "tf.function, XLA for elementwise expressions",
            "precision": self.cell.precision,
            "compute_dtype": self.step.dtype.name,  # each step checks it
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled() if cuda else False,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") == "1",
            "deterministic": os.environ.get("TF_DETERMINISTIC_OPS", "0") == "1",
            "denormals": "computed with" if float(tf.reduce_max(tf.fill([64], DENORMAL) * 1.0)) else "flushed to zero",
            "cudnn.benchmark": os.environ.get("TF_CUDNN_USE_AUTOTUNE", "1") == "1" if cuda else False,
            "processes": "one for all replicas",
            "reduction": ("nccl" if cuda else "one device") + " sum of shares" if self.step.exchange else "none",
            **self.family_settings(),
            "loader_workers": self.cell.loader_workers,
            "loader_pool": self.cell.loader_workers * self.group.local,
            "loader": "threads of tf.data",
            "prefetch": data.PREFETCH,
            "weights": self.cell.weights or f"seeded start {self.cell.seed}",
        }

    def family_settings(self) -> dict[str, Any]:
        """What there is to say of the kind of network alone."""
        if isinstance(self.cell.workload, TextWorkload) and self.cell.arm == "native":
            return native_text.SETTINGS
        if isinstance(self.cell.workload, TextWorkload):
            return {"attention": "matrix products and softmax", "gelu": "exact"}
        if self.cell.arm == "native":
            return native.SETTINGS
        return {
            "norm_rule": "per replica, unbiased running variance; evaluated with replica 0's",
            "padding": "same (TensorFlow's rule)",
        }

    def save(self, path: str) -> None:
        """Leave the weights as safetensors."""
        save_weights(Path(path), networks.weights_of(self.network))


def main() -> int:
    """Run the cell named on the command line; the exit status tells the harness how it went."""
    started = process_start_time()
    cell = Cell.read(Path(sys.argv[1]))
    emit = EventWriter(cell.events_path(0), 0)
    emit("phase", name="build")
    try:
        group = replicas.start(cell)
        store = open_cell_store(cell)
        run_cell(cell, Wing(cell, group), store, emit, started)
        replicas.stop()
    except UserError as error:
        emit("error", kind="error", message=str(error))
        return 1
    except Exception as error:
        short = out_of_memory(error)
        if short:
            emit("error", kind="oom", message=short)
            return EXIT_OUT_OF_MEMORY
        emit("error", kind="error", message=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return 0


if __name__ == "__main__":
    leave(main())
