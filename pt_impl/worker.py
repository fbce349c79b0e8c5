"""`python -m pt_impl.worker CELL.json`: run one cell (DESIGN section 6). Mirror: `tf_impl/worker.py`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from pt_impl import data, native, replicas
from pt_impl.model import EfficientNet, weights_of
from pt_impl.step import Batch, Step
from shared.batches import EvalBatches, TrainBatches, architecture_of
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell, EventWriter
from shared.session import open_cell_store, process_start_time, run_cell, starting_weights
from shared.weights import save_weights


class Wing:
    """PyTorch's side of shared.session.Wing."""

    def __init__(self, cell: Cell, group: replicas.Replicas) -> None:
        self.cell = cell
        self.group = group
        self.rank = group.rank
        self.local_replicas = group.local
        if cell.arm == "native":
            self.network = native.network(cell).to(group.placement)
        else:
            model = cell.workload.model
            network = EfficientNet(
                architecture_of(cell.workload), starting_weights(cell), model.norm_momentum, model.norm_epsilon
            )
            self.network = network.to(group.placement)
        self.step = Step(self.network, cell.workload, cell.precision, group.count)

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Batch]:
        """Batches of this rank."""
        return data.stream(batches.batch, num_steps, self.cell.loader_workers, self.group)

    def resident_batch(self, batches: TrainBatches) -> Batch:
        """The first batch of this rank."""
        return data.resident(batches.batch, self.group)

    def train_step(self, batch: Batch, rate: float) -> torch.Tensor:
        """One optimizer step."""
        return self.step.train(batch, rate)

    def freeze(self) -> None:
        """Second stage: the classifier alone."""
        self.step.freeze()

    def loss_value(self, loss: torch.Tensor) -> float:
        """Wait for a loss and read it."""
        return float(loss)

    def synchronize(self) -> None:
        """Wait for the device and the other ranks."""
        self.group.synchronize()

    def evaluate(self, batches: EvalBatches) -> tuple[int, int, float]:
        """Counts over this rank's share, with rank 0's batch-norm statistics."""
        if self.group.count > 1:
            for statistic in self.network.buffers():
                dist.broadcast(statistic, src=0)
        counts = torch.zeros(3, dtype=torch.float64, device=self.group.placement)
        for batch in data.stream(batches.batch, batches.num_batches, self.cell.loader_workers, self.group):
            counts += self.step.evaluate(batch)
        correct, total, loss = counts.tolist()
        return int(correct), int(total), loss

    def allocator_peak(self) -> int | None:
        """Peak bytes of the CUDA caching allocator."""
        return torch.cuda.max_memory_allocated() if self.group.placement.type == "cuda" else None

    def settings(self) -> dict[str, Any]:
        """What this process really uses."""
        cuda = self.group.placement.type == "cuda"
        return {
            "version.torch": torch.__version__,
            "num_parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "num_classes": self.cell.workload.model.num_classes,
            "threads.intra_op": torch.get_num_threads(),
            "threads.inter_op": torch.get_num_interop_threads(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "layout": "channels-last",
            "compiled": False,
            "precision": self.cell.precision,
            "tf32": torch.backends.cuda.matmul.allow_tf32 if cuda else False,
            "onednn": torch.backends.mkldnn.is_available(),
            "reduction": ("nccl" if cuda else "gloo") + " mean (DDP)" if self.group.count > 1 else "none",
            "norm_rule": "per replica, unbiased running variance; evaluated with replica 0's",
            "padding": "same (TensorFlow's rule)",
            "loader_workers": self.cell.loader_workers,
            "weights": self.cell.weights or f"seeded start {self.cell.seed}",
        }

    def save(self, path: str) -> None:
        """Leave the weights as safetensors."""
        save_weights(Path(path), weights_of(self.network))


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
    except (torch.OutOfMemoryError, MemoryError) as error:
        emit("error", kind="oom", message=str(error).splitlines()[0] if str(error) else "out of memory")
        return EXIT_OUT_OF_MEMORY
    except Exception as error:
        emit("error", kind="error", message=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
