"""`python -m pt_impl.worker CELL.json`: run one cell. Mirror: `tf_impl/worker.py`."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from pt_impl import data, native, native_text, networks, replicas
from pt_impl.inputs import Batch
from pt_impl.step import Step
from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.events import EventWriter
from shared.out_of_memory import out_of_memory
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell, leave
from shared.session import open_cell_store, process_start_time, run_cell, starting_weights
from shared.spec import TextWorkload
from shared.weights import save_weights

DENORMAL = 1e-39  # float32: below the smallest normal number


class Wing:
    """PyTorch's side of shared.wing.Wing."""

    def __init__(self, cell: Cell, group: replicas.Replicas) -> None:
        self.cell = cell
        self.group = group
        self.rank = group.rank
        self.local_replicas = group.local
        make = native.network(cell) if cell.arm == "native" else networks.build(cell.workload, starting_weights(cell))
        self.network = make.to(group.placement)
        self.step = Step(self.network, cell.workload, cell.precision, group.count, cell.exchange)
        group.require_placed("a weight", [*self.network.parameters(), *self.network.buffers()])
        self.placed = False  # whether the step's results were seen to lie where they should

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Batch]:
        """Batches of this rank."""
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
        """The first batch of this rank."""
        load, finish = self._load(batches)
        return data.resident(load, self.group, finish)

    def train_step(self, batch: Batch, rate: float) -> torch.Tensor:
        """One optimizer step."""
        loss = self.step.train(batch, rate)
        if not self.placed:
            self.group.require_placed("the loss", [loss])
            self.placed = True
        return loss

    def freeze(self) -> None:
        """Second stage: the classifier alone."""
        self.step.freeze()

    def loss_value(self, loss: torch.Tensor) -> float:
        """Wait for a loss and read it."""
        return float(loss)

    def synchronize(self) -> None:
        """Wait for the device and the other ranks."""
        self.group.synchronize()

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        """Logits of this rank's share, with rank 0's batch-norm statistics."""
        if self.group.count > 1:
            for statistic in self.network.buffers():
                dist.broadcast(statistic, src=0)
        for batch in self._stream(batches, batches.num_batches):
            logits = self.step.predict(batch)
            self.group.require_placed("the logits", [logits])
            yield [logits.cpu().numpy()]

    def largest(self, value: float) -> float:
        """The largest of all ranks' values, on every rank."""
        if self.group.count == 1:
            return value
        everywhere = torch.tensor(value, dtype=torch.float64, device=self.group.placement)
        dist.all_reduce(everywhere, dist.ReduceOp.MAX)
        return float(everywhere)

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
        """Nothing is compiled."""
        return 0

    def allocator_peak(self) -> int | None:
        """Peak bytes of the CUDA caching allocator."""
        cuda = self.group.placement.type == "cuda"
        return torch.cuda.max_memory_allocated(self.group.placement) if cuda else None

    def reset_allocator_peak(self) -> None:
        """Count the peak anew."""
        if self.group.placement.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.group.placement)

    def settings(self) -> dict[str, Any]:
        """What this process really uses."""
        cuda = self.group.placement.type == "cuda"
        return {
            "version.python": platform.python_version(),
            "version.torch": torch.__version__,
            "num_parameters": networks.num_trained(self.network),
            "num_classes": self.cell.workload.model.num_classes,
            "threads.intra_op": torch.get_num_threads(),
            "threads.inter_op": torch.get_num_interop_threads(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "layout": "channels-last",
            "compiled": False,
            "precision": self.cell.precision,
            "compute_dtype": str(self.step.dtype).removeprefix("torch."),  # each step checks it
            "tf32": torch.backends.cuda.matmul.allow_tf32 if cuda else False,
            "onednn": torch.backends.mkldnn.is_available(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "denormals": "computed with" if float((torch.full((64,), DENORMAL) * 1.0).max()) else "flushed to zero",
            "cudnn.benchmark": torch.backends.cudnn.benchmark if cuda else False,
            "processes": "one a replica",
            "reduction": ("nccl" if cuda else "gloo") + " mean (DDP)" if self.step.exchange else "none",
            **self.family_settings(),
            "loader_workers": self.cell.loader_workers,
            "loader_pool": self.cell.loader_workers * self.group.local,
            "loader": "processes of a fork server, batches pinned" if cuda else "processes of a fork server",
            "prefetch": data.PREFETCH,
            "weights": self.cell.weights or f"seeded start {self.cell.seed}",
        }

    def family_settings(self) -> dict[str, Any]:
        """What there is to say of the kind of network alone."""
        if isinstance(self.cell.workload, TextWorkload) and self.cell.arm == "native":
            return native_text.SETTINGS
        if isinstance(self.cell.workload, TextWorkload):
            return {"attention": "scaled_dot_product_attention", "gelu": "exact"}
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
    rank = int(os.environ.get("RANK", "0"))
    emit = EventWriter(cell.events_path(rank), rank)
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
