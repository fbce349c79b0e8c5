"""What is asked before the first cell: what would make it fail or spoil its figure, and how that is mended."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

from bench.doctor import memory
from bench.doctor.findings import Host
from bench.host import cgroups
from shared.batches import TrainBatches
from shared.errors import UserError
from shared.frameworks import framework
from shared.protocol import Cell
from shared.store import open_store

PREFETCH = 2  # batches that each of PyTorch's loader processes has ready (pt_impl/data.py)
IN_USE = 1  # that the training has taken and not given back yet


def check(sets: Iterable[Sequence[Cell]], host: Host | None = None) -> list[str]:
    """Look at the machine with the eyes of the cells that are to run.

    Args:
        sets: cells that are alive at once; one set runs after another.

    Returns:
        what spoils their figures, a line each.

    Raises:
        UserError: what would make a cell fail for certain.
    """
    host, every = host or Host(), list(sets)
    check_shared_memory(every, host)
    quota = cgroups.cpu_quota(host)
    most = max((len({core for group in cell.cores for core in group}) for cells in every for cell in cells), default=0)
    if quota is not None and quota < most:
        return [
            f"the CPU quota is {quota:g} cores' time and cells use {most} cores: the kernel stops their threads in "
            "mid-step; give whole cores in place of a quota (`docker run --cpuset-cpus ...`)"
        ]
    return []


def check_shared_memory(sets: Sequence[Sequence[Cell]], host: Host) -> None:
    """PyTorch's loader processes hand their batches over in /dev/shm.

    Raises:
        UserError: it is missing, read-only, or too small for what they have ready at once.
    """
    needs = {cells[0].cell_id: sum(map(shared_bytes, cells)) for cells in sets}
    cell_id = max(needs, key=lambda name: needs[name], default="")
    if not needs.get(cell_id):
        return
    fix = memory.SHARED_FIX
    if not memory.shared_is_writable(host):
        raise UserError(f"/dev/shm is missing or read-only, and the loaders of {cell_id} need it: {fix}")
    free = shutil.disk_usage(host.shm).free
    if free < needs[cell_id]:
        raise UserError(
            f"/dev/shm has {free / 2**20:.1f} MiB free, and the loaders of {cell_id} fill {needs[cell_id] / 2**20:.1f} "
            f"MiB: {fix}; or fewer --loader-workers"
        )


def shared_bytes(cell: Cell) -> int:
    """What a cell's loader processes have in /dev/shm at once; 0 where it has none."""
    if (
        cell.mode == "infer"
        or not framework(cell.framework).loads_in_processes
        or cell.input_mode == "device"
        or not cell.loader_workers
    ):
        return 0
    workload = cell.workload
    batches = TrainBatches(open_store(cell.store, checksums=None), workload, cell.seed, cell.replicas)
    batch = batches.filler(batches.widths[-1])
    return sum(array.nbytes for array in batch) * (PREFETCH * cell.loader_workers + IN_USE) * cell.replicas
