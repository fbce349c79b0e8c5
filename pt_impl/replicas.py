"""Replicas: one process each, met through torch.distributed. Mirror: `tf_impl/replicas.py`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist

from shared.errors import UserError
from shared.protocol import Cell


@dataclass(frozen=True)
class Replicas:
    """This process's place among the replicas."""

    rank: int
    count: int
    placement: torch.device  # where this replica computes

    @property
    def local(self) -> int:
        """Replicas that this process drives."""
        return 1

    def require_placed(self, what: str, values: Sequence[torch.Tensor]) -> None:
        """
        Args:
            what: the values' name, for the message.

        Raises:
            UserError: one lies on another device than this replica's.
        """
        for value in values:
            if value.device != self.placement:
                raise UserError(
                    f"{what} of replica {self.rank} lies on {value.device}, not on {self.placement}: no true figure"
                )

    def synchronize(self) -> None:
        """Wait for the device, then for the other ranks."""
        if self.placement.type == "cuda":
            torch.cuda.synchronize(self.placement)
        if self.count > 1:
            dist.barrier()


def start(cell: Cell) -> Replicas:
    """Pin this replica's cores, set its threads, join the process group that the elastic launcher describes.

    Raises:
        UserError: a cell on GPUs, of which PyTorch sees fewer than replicas.
    """
    if cell.device == "cuda":
        require_gpus(torch.cuda.device_count(), cell)
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if cell.cores:
        os.sched_setaffinity(0, cell.cores[rank])
    torch.set_num_threads(cell.threads_per_replica)
    if cell.device == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
        # the matched arm computes in the precision it names: TF32 is off in both wings
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True  # shapes never change; the search is over before the measured steps
    else:
        device = torch.device("cpu")
    if count > 1:
        dist.init_process_group("nccl" if cell.device == "cuda" else "gloo")
    return Replicas(rank, count, device)


def require_gpus(num_seen: int, cell: Cell) -> None:
    """
    Raises:
        UserError: fewer GPUs than replicas.
    """
    if num_seen < cell.replicas:
        raise UserError(
            f"PyTorch {torch.__version__} sees {num_seen} GPUs, the cell needs {cell.replicas}: install a build for "
            "CUDA (pip install torch, without +cpu) and see `bench doctor`, or choose --device cpu"
        )


def stop() -> None:
    """Leave the process group."""
    if dist.is_initialized():
        dist.destroy_process_group()
