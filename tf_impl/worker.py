"""`python -m tf_impl.worker CELL.json`: run one cell. Mirror: `pt_impl/worker.py`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port

from shared.batches import EvalBatches, TrainBatches
from shared.protocol import Cell, leave
from shared.session import starting_weights
from shared.weights import save_weights
from shared.worker import BaseWing, run_worker
from tf_impl import data, export, networks, replicas
from tf_impl.family import family
from tf_impl.step import Step

DENORMAL = 1e-39  # float32: below the smallest normal number


class Wing(BaseWing):
    """TensorFlow's side of shared.wing.Wing."""

    data = data

    def __init__(self, cell: Cell, group: replicas.Replicas) -> None:
        super().__init__(cell, group, family(cell.workload.model.family))
        self.group: replicas.Replicas = group
        native = cell.arm == "native"
        with group.placement.scope():
            self.network = (
                self.family.native_network(cell) if native else networks.build(cell.workload, starting_weights(cell))
            )
            self.step = Step(self.network, cell.workload, cell.precision, group.count, cell.exchange)
        for variable in self.network.variables:
            group.require_placed("a weight", group.placement.experimental_local_results(variable))

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
        """Batches of all replicas; the step is compiled for every shape that may come before the first of them."""
        fillers = (lambda _, __, width=width: batches.filler(width) for width in batches.widths)
        self.step.trace(data.resident(filler, self.group) for filler in fillers)
        return super().train_batches(batches, num_steps)

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

    def infer(self, host: Any) -> Any:
        """Logits of every replica's request, not waited for."""
        return self.step.predict(data.to_device(host, self.group))

    def answers(self, logits: Any) -> list[np.ndarray]:
        """Wait for logits and read them."""
        if not self.placed:
            self.group.require_placed("the logits", logits)
            self.placed = True
        return [of_replica.numpy() for of_replica in logits]

    def tokenizer(self, vocabulary: str, max_tokens: int, truncation: str) -> Callable[[Sequence[str]], Any]:
        """That of `tensorflow_text`."""
        from tf_impl.tokenizer import Tokenizer  # it imports `tensorflow_text`

        tokenize = Tokenizer(vocabulary, max_tokens, truncation)
        compiled = tf.function(tokenize, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        return lambda texts: compiled(tf.constant(list(texts)))  # in a graph, as a pipeline of tf.data has it

    def exported(self, examples: Sequence[Any], path: str) -> tuple[str, ...]:
        """There is no exporter."""
        return export.export(self.step, examples, path)

    def largest(self, value: float) -> float:
        """The value: there is one rank."""
        return value

    def total(self, values: Sequence[float]) -> list[float]:
        """The values: there is one rank."""
        return list(values)

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

    def framework_settings(self) -> dict[str, Any]:
        """The settings that TensorFlow knows."""
        cuda = self.cell.device == "cuda"
        return {
            "version.python": platform.python_version(),
            "version.tensorflow": tf.__version__,
            "version.keras": tf.keras.__version__,
            "num_parameters": networks.num_trained(self.network),
            "threads.intra_op": tf.config.threading.get_intra_op_parallelism_threads(),
            "threads.inter_op": tf.config.threading.get_inter_op_parallelism_threads(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "compiled": "tf.function" if cuda else "tf.function, XLA for elementwise expressions",
            "compute_dtype": self.step.dtype.name,  # each step checks it
            "tf32": tf.config.experimental.tensor_float_32_execution_enabled() if cuda else False,
            "onednn": _pywrap_util_port.IsMklEnabled(),  # of itself TensorFlow turns it on for some processors alone
            "deterministic": os.environ.get("TF_DETERMINISTIC_OPS", "0") == "1",
            "denormals": "computed with" if float(tf.reduce_max(tf.fill([64], DENORMAL) * 1.0)) else "flushed to zero",
            "cudnn.benchmark": os.environ.get("TF_CUDNN_USE_AUTOTUNE", "1") == "1" if cuda else False,
            "processes": "one for all replicas",
            "reduction": ("nccl" if cuda else "one device") + " sum of shares" if self.step.exchange else "none",
            "loader": "threads of tf.data",
        }

    def save(self, path: str) -> None:
        """Leave the weights as safetensors."""
        save_weights(Path(path), networks.weights_of(self.network, self.cell.workload))


def main() -> int:
    """Run the cell named on the command line; the exit status tells the harness how it went."""
    return run_worker(0, replicas.start, Wing, replicas.stop)


if __name__ == "__main__":
    leave(main())
