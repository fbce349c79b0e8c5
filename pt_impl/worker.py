"""`python -m pt_impl.worker CELL.json`: run one cell. Mirror: `tf_impl/worker.py`."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from pt_impl import data, export, networks, replicas
from pt_impl.family import family
from pt_impl.step import Step
from shared.batches import EvalBatches
from shared.protocol import Cell, leave
from shared.session import starting_weights
from shared.weights import save_weights
from shared.worker import BaseWing, run_worker

DENORMAL = 1e-39  # float32: below the smallest normal number


class Wing(BaseWing):
    """PyTorch's side of shared.wing.Wing."""

    data = data

    def __init__(self, cell: Cell, group: replicas.Replicas) -> None:
        super().__init__(cell, group, family(cell.workload.model.family))
        self.group: replicas.Replicas = group
        native = cell.arm == "native"
        make = self.family.native_network(cell) if native else networks.build(cell.workload, starting_weights(cell))
        self.network = make.to(group.placement)
        self.step = Step(self.network, cell.workload, cell.precision, group.count, cell.exchange)
        group.require_placed("a weight", [*self.network.parameters(), *self.network.buffers()])

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        """Logits of this rank's share, with rank 0's batch-norm statistics."""
        if self.group.count > 1:
            for statistic in self.network.buffers():
                dist.broadcast(statistic, src=0)
        for batch in self._stream(batches, batches.num_batches):
            logits = self.step.predict(batch)
            self.group.require_placed("the logits", [logits])
            yield [logits.cpu().numpy()]

    def infer(self, host: Any) -> Any:
        """Logits of this rank's request, not waited for."""
        return self.step.predict(data.to_device(host, self.group))

    def answers(self, logits: Any) -> list[np.ndarray]:
        """Wait for logits and read them."""
        if not self.placed:
            self.group.require_placed("the logits", [logits])
            self.placed = True
        return [logits.cpu().numpy()]

    def tokenizer(self, vocabulary: str, max_tokens: int, truncation: str) -> Callable[[Sequence[str]], Any]:
        """That of `transformers`."""
        from pt_impl.tokenizer import Tokenizer  # it imports `transformers`

        return Tokenizer(vocabulary, max_tokens, truncation)

    def exported(self, examples: Sequence[Any], path: str) -> tuple[str, ...]:
        """The network as an ONNX file, by torch's own exporter."""
        return export.export(self.step, examples, path)

    def largest(self, value: float) -> float:
        """The largest of all ranks' values, on every rank."""
        if self.group.count == 1:
            return value
        everywhere = torch.tensor(value, dtype=torch.float64, device=self.group.placement)
        dist.all_reduce(everywhere, dist.ReduceOp.MAX)
        return float(everywhere)

    def total(self, values: Sequence[float]) -> list[float]:
        """The sums of all ranks' values, on every rank."""
        everywhere = torch.tensor(values, dtype=torch.float64, device=self.group.placement)
        if self.group.count > 1:
            dist.all_reduce(everywhere, dist.ReduceOp.SUM)
        return [float(value) for value in everywhere]

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

    def framework_settings(self) -> dict[str, Any]:
        """The settings that PyTorch knows."""
        cuda = self.group.placement.type == "cuda"
        return {
            "version.python": platform.python_version(),
            "version.torch": torch.__version__,
            "num_parameters": networks.num_trained(self.network),
            "threads.intra_op": torch.get_num_threads(),
            "threads.inter_op": torch.get_num_interop_threads(),
            "affinity": sorted(os.sched_getaffinity(0)),
            "compiled": False,
            "compute_dtype": str(self.step.dtype).removeprefix("torch."),  # each step checks it
            "tf32": torch.backends.cuda.matmul.allow_tf32 if cuda else False,
            "onednn": torch.backends.mkldnn.is_available(),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "denormals": "computed with" if float((torch.full((64,), DENORMAL) * 1.0).max()) else "flushed to zero",
            "cudnn.benchmark": torch.backends.cudnn.benchmark if cuda else False,
            "processes": "one a replica",
            "reduction": ("nccl" if cuda else "gloo") + " mean (DDP)" if self.step.exchange else "none",
            "loader": "processes of a fork server, batches pinned" if cuda else "processes of a fork server",
        }

    def save(self, path: str) -> None:
        """Leave the weights as safetensors."""
        save_weights(Path(path), networks.weights_of(self.network, self.cell.workload))


def main() -> int:
    """Run the cell named on the command line; the exit status tells the harness how it went."""
    return run_worker(int(os.environ.get("RANK", "0")), replicas.start, Wing, replicas.stop)


if __name__ == "__main__":
    leave(main())
