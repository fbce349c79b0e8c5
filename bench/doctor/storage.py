"""The results folder: writable, room, speed; and the certificates that it holds."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.doctor.measured import DiskSpeed
from bench.host.system import gib
from bench.records import certificates
from shared import spec
from shared.errors import UserError

LEAST_FREE_BYTES, GOOD_FREE_BYTES = 2**30, 10 * 2**30  # of `make bench`; of a data set's store
TEST_BYTES, BLOCK_BYTES = 256 * 2**20, 4 * 2**20
SLOW_READ = 150e6  # bytes/s; a thousand pages of 384 px, one byte a pixel, a second
MOVE = "set TWINBENCH_RESULTS to a folder elsewhere"


def nearest(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def measure_disk(folder: Path, size: int = TEST_BYTES) -> DiskSpeed:
    """Write and read back a file that has no name and goes by itself.

    Raises:
        OSError: not writable, or full.
    """
    block = os.urandom(min(size, BLOCK_BYTES))  # noise: a file system that compresses gains nothing
    blocks = -(-size // len(block))
    with tempfile.TemporaryFile(dir=nearest(folder), buffering=0) as file:
        begin = time.perf_counter()
        for _ in range(blocks):
            file.write(block)
        os.fsync(file.fileno())
        written = time.perf_counter() - begin
        droppable = hasattr(os, "posix_fadvise")
        if droppable:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        begin = time.perf_counter()
        while file.read(BLOCK_BYTES):
            pass
        return DiskSpeed(
            blocks * len(block) / written, blocks * len(block) / (time.perf_counter() - begin), not droppable
        )


def results_folder(host: Host) -> list[Finding]:
    """Whether results can be written, and how much room there is."""
    try:
        folder = nearest(host.results)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = f"{host.results}: nothing can be written there ({error.strerror})"
        return [problem("results folder", text, f"mend its owner and rights, or {MOVE}", blocks=True)]
    text = f"{host.results}, {gib(free)} free"
    if free < LEAST_FREE_BYTES:
        return [problem("results folder", text, f"make room, or {MOVE}", blocks=True)]
    if free < GOOD_FREE_BYTES:
        return [notice("results folder", f"{text}: enough for `make bench`, not for a large data set's store", MOVE)]
    return [good("results folder", text)]


def disk_speed(host: Host) -> list[Finding]:
    """Whether the disk can feed the `disk` input mode."""
    if host.disk is None:
        return []
    if isinstance(host.disk, str):
        return [notice("disk speed", f"not measured: {host.disk}")]
    text = f"reads {host.disk.read / 1e6:,.0f} MB/s, writes {host.disk.write / 1e6:,.0f} MB/s"
    if host.disk.cached:
        text += " (reading perhaps from memory)"
    if host.disk.read < SLOW_READ:
        fix = f"`bench run --input memory` keeps pages in memory; or {MOVE}"
        return [notice("disk speed", f"{text}: slower than a fast GPU reads pages", fix)]
    return [good("disk speed", text)]


def proven(host: Host) -> list[Finding]:
    """The certificates that hold now."""
    workloads = [spec.load(name, preset) for name in spec.workload_names() for preset in spec.preset_names(name)]
    try:
        held = [f"{each.name} ({each.preset})" for each in workloads if certificates.find(each)]
    except UserError as error:  # an interpreter of `bench env` that is broken: no certificate can hold for it
        return [notice("certificates", f"not known: {error}")]
    if held:
        return [good("certificates", f"{len(held)} hold: {', '.join(held)}")]
    text = "none holds for this code and these versions: records will say `unverified`"
    return [notice("certificates", text, "`bench run --verify`, or `bench verify --workload NAME`")]
