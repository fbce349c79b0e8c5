"""Whether a cell has its cores and GPUs to itself: before it starts (`--exclusive`), and after it has run."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import psutil

from bench.host.machine import usable_cores
from bench.monitors.nvml import PROCESSES, GpuWatch, connect
from bench.monitors.processes import machine_times
from bench.records.usage import GpuProcess, Usage
from shared.errors import UserError

LOOK_SECONDS = 1.0
BUSY_SHARE = 0.05  # of the usable cores' time, beyond which the machine is not free
NAMED = 3  # processes that are named, the busiest first
TOLD = 0.1  # cores; a table tells of what others used beyond it


def refuse_if_busy(cell_id: str, selectors: Sequence[str], resume: str, driver: Any = None) -> None:
    """Stop before a cell that would share its GPUs or cores; takes LOOK_SECONDS.

    Args:
        cell_id: for the message.
        selectors: the cell's GPUs; empty: CPU.
        resume: the command that goes on with the run.
        driver: in place of NVIDIA's management library.

    Raises:
        UserError: other processes on a GPU, or cores that are not free; names them.
    """
    reasons = [*busy_gpus(selectors, driver), *busy_cores()]
    if reasons:
        raise UserError(
            f"--exclusive: {'; '.join(reasons)}; {cell_id} was not started: end them, then {resume} --exclusive"
        )


def busy_gpus(selectors: Sequence[str], driver: Any = None) -> list[str]:
    """For each GPU with processes on it, which; nothing of the cell runs yet, so all are others'."""
    own_driver = driver is None and bool(selectors)
    if own_driver:
        driver, why = connect()
        if driver is None:
            return [f"who uses the GPUs cannot be told ({why})"]
    if driver is None:
        return []
    try:
        return [text for gpu in (GpuWatch(driver, each) for each in selectors) if (text := gpu_text(gpu))]
    finally:
        if own_driver:
            with suppress(Exception):  # a driver that was lost meanwhile has nothing to give back
                driver.nvmlShutdown()


def gpu_text(gpu: GpuWatch) -> str | None:
    """Who is on a GPU, or that nobody can tell, in words; None where nobody is."""
    if gpu.lost or PROCESSES in gpu.failed:
        return f"who uses GPU {gpu.selector} cannot be told ({'; '.join(gpu.notes)})"
    return on_gpu(gpu.selector, list(gpu.others.values()))


def on_gpu(selector: str, processes: Sequence[GpuProcess]) -> str | None:
    """`GPU 0 also runs python (4242), 1.5 GiB`; None where nobody is there."""
    if not processes:
        return None
    named = (
        f"{each.name} ({each.pid})" + (f" {each.memory / 2**30:.1f} GiB" if each.memory else "")
        for each in processes[:NAMED]
    )
    more = f" and {len(processes) - NAMED} more" if len(processes) > NAMED else ""
    return f"GPU {selector} also runs {', '.join(named)}{more}"


def busy_cores() -> list[str]:
    """The processes that keep the usable cores busy, where they are busier than BUSY_SHARE; else nothing."""
    cores = usable_cores()
    before, begun = process_seconds(), time.monotonic()
    own, busy = time.process_time(), machine_times(cores).busy
    time.sleep(LOOK_SECONDS)
    # the look at all processes is dear, so the machine's time is taken first
    seconds = time.monotonic() - begun
    used = (machine_times(cores).busy - busy - (time.process_time() - own)) / seconds
    if used <= BUSY_SHARE * len(cores):
        return []
    after = process_seconds()
    spent = {key: value - before.get(key, value) for key, value in after.items() if key[0] != os.getpid()}
    busiest = sorted(spent.items(), key=lambda item: -item[1])[:NAMED]
    named = [f"{name} ({pid}) {value / seconds:.2f}" for (pid, name), value in busiest if value / seconds >= 0.01]
    who = ", ".join(named) or "by nothing that can be seen from here"
    return [f"{used:.2f} of {len(cores)} cores are busy: {who}"]


def process_seconds() -> dict[tuple[int, str], float]:
    """CPU seconds so far of every process that can be seen, by id and name."""
    seconds = {}
    for process in psutil.process_iter(["name", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None:
            seconds[process.pid, process.info["name"] or "?"] = times.user + times.system
    return seconds


def disturbance_text(usage: Usage | None) -> str | None:
    """What others did while a cell ran, where it was enough to matter; None where it was not, or is not known."""
    if usage is None:
        return None
    cores = usage.disturbance
    texts = [] if cores is None or cores <= TOLD else [f"other processes kept {cores:.1f} cores busy"]
    texts += [text for gpu in usage.gpus if (text := on_gpu(gpu.selector, gpu.other_processes))]
    return "; ".join(texts) or None
