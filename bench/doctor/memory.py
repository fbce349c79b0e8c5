"""Memory, swap, and the shared memory that loader workers hand batches over in."""

from __future__ import annotations

import os
import shutil

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.host import cgroups
from bench.host.system import gib, read

# TensorFlow at two replicas holds 1.5 GiB in `make bench` (results/reference/quick-synthetic); with the harness,
# loader workers and the page cache that a store wants beside it:
MAIN_JOB_BYTES = 3 * 2**30
COMFORTABLE_BYTES = 8 * 2**30
SHARED_FIX = "`docker run --shm-size 2g ...`, or `--ipc host`"
SHARED_LEAST_BYTES, SHARED_GOOD_BYTES = 16 * 2**20, 512 * 2**20  # Docker gives 64 MiB unless told otherwise


def meminfo(host: Host) -> dict[str, int]:
    """/proc/meminfo in bytes; empty where there is none."""
    lines = (line.replace(":", "").split() for line in (read(host.proc / "meminfo") or "").splitlines())
    return {words[0]: int(words[1]) * 1024 for words in lines if len(words) == 3}


def memory(host: Host) -> list[Finding]:
    """What is free, of the machine and of this container."""
    available, limit = meminfo(host).get("MemAvailable"), cgroups.memory_room(host)
    if available is None and limit is None:
        return [notice("memory", "unknown: there is no /proc/meminfo to read")]
    free = min([amount for amount in (available, limit[0] if limit else None) if amount is not None])
    text = f"{gib(free)} available" + (f", of a limit of {gib(limit[1])}" if limit and limit[0] == free else "")
    if free < MAIN_JOB_BYTES:
        fix = "end other work, or give the container or virtual machine more (`docker run --memory 8g ...`)"
        return [problem("memory", f"{text}; `make bench` needs about {gib(MAIN_JOB_BYTES)}", fix, blocks=True)]
    if free < COMFORTABLE_BYTES:
        return [notice("memory", f"{text}: enough for `make bench`; larger workloads may end as `oom`")]
    return [good("memory", text)]


def swap(host: Host) -> list[Finding]:
    """Whether memory has gone to disk."""
    facts = meminfo(host)
    if "SwapTotal" not in facts:
        return [notice("swap", "unknown: there is no /proc/meminfo to read")]
    used = facts["SwapTotal"] - facts.get("SwapFree", 0)
    if used > 2**20:
        fix = "free memory, then `swapoff -a && swapon -a`"
        return [notice("swap", f"{gib(used)} in use: a step that touches it waits for the disk", fix)]
    return [good("swap", f"{gib(facts['SwapTotal'])}, none in use" if facts["SwapTotal"] else "none")]


def shared_is_writable(host: Host) -> bool:
    """Whether there is a /dev/shm, mounted for writing."""
    try:
        return not os.statvfs(host.shm).f_flag & os.ST_RDONLY and os.access(host.shm, os.W_OK | os.X_OK)
    except OSError:
        return False


def shared_memory(host: Host) -> list[Finding]:
    """Room for the batches that PyTorch's loader workers hand over."""
    try:
        usage = shutil.disk_usage(host.shm)
    except OSError:
        fix = "mount one: `mount -t tmpfs tmpfs /dev/shm`"
        return [notice("shared memory", "there is no /dev/shm: PyTorch's loader workers have nothing to use", fix)]
    text, fix = f"{gib(usage.free)} free in /dev/shm", SHARED_FIX
    if not shared_is_writable(host):
        text = "/dev/shm is read-only or another user's: PyTorch's loader workers die of it"
        return [problem("shared memory", text, "`mount -o remount,rw /dev/shm`", blocks=True)]
    if usage.free < 2**30:
        text = f"{usage.free / 2**20:.0f} MiB free in /dev/shm"
    if usage.free < SHARED_LEAST_BYTES:
        return [problem("shared memory", f"{text}: PyTorch's loader workers die of it", fix, blocks=True)]
    if usage.free < SHARED_GOOD_BYTES:
        return [notice("shared memory", f"{text}: too little for large pages and many workers", fix)]
    return [good("shared memory", text)]
