"""Replicas: one process each, met through torch.distributed. Mirror: `tf_impl/replicas.py`."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist

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

    def synchronize(self) -> None:
        """Wait for the device, then for the other ranks."""
        if self.placement.type == "cuda":
            torch.cuda.synchronize(self.placement)
        if self.count > 1:
            dist.barrier()


def start(cell: Cell) -> Replicas:
    """Pin this replica's cores, set its threads, join the process group that the elastic launcher describes."""
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


def stop() -> None:
    """Leave the process group."""
    if dist.is_initialized():
        dist.destroy_process_group()
