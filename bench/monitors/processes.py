"""CPU time and memory of a cell's process tree, and of the whole machine, at a price that does not disturb either.

Finding a tree's members means reading every process of the machine, so it is done rarely; a known process costs two
small reads.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.host.machine import usable_cores

if os.name == "posix":
    import resource


def reaped_seconds() -> float:
    """CPU seconds of this process's children that have ended, their own ended children included."""
    if os.name != "posix":
        return 0.0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Tree:
    """The processes that descend from one, as far as they have been found."""

    def __init__(self, root: int) -> None:
        """Args: root: a child of this process, just started."""
        self.root = root
        self.members: dict[int, psutil.Process] = {}
        self._seconds = 0.0
        self._reaped = reaped_seconds()
        self.find()

    def find(self) -> None:
        """Look for new members, among all processes of the machine; one that has lost its parent stays known."""
        with suppress(psutil.Error):  # the root has ended
            first = psutil.Process(self.root)
            for process in [first, *first.children(recursive=True)]:
                if process != self.members.get(process.pid):  # compares the time of creation: ids are given out anew
                    self.members[process.pid] = process
        self.members = {pid: process for pid, process in self.members.items() if process.is_running()}

    def look(self) -> int:
        """Bring `cpu_seconds` up to date; resident bytes, summed over the living members."""
        seconds, resident = 0.0, 0
        for pid, process in list(self.members.items()):
            try:
                times = process.cpu_times()
                resident += process.memory_info().rss
            except psutil.Error:
                del self.members[pid]
                continue
            # an ended process's time is its parent's from the moment the parent has waited for it
            seconds += times.user + times.system
            seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        self._seconds = max(self._seconds, seconds, reaped_seconds() - self._reaped)
        return resident

    @property
    def cpu_seconds(self) -> float:
        """User and system time since the start, at the last look; of a tree that has ended all that was waited for."""
        return self._seconds

    def proportional(self) -> int | None:
        """Bytes with each shared page divided among those that map it; None where the system does not say.

        The kernel walks every page table for it: tens of milliseconds for a big process, in which it cannot map memory.
        """
        total = 0
        for process in list(self.members.values()):
            try:
                total += process.memory_full_info().pss
            except AttributeError:  # not Linux
                return None
            except psutil.AccessDenied:
                return None
            except psutil.Error:
                continue
        return total or None


@dataclass(frozen=True)
class MachineTimes:
    """Seconds since boot that the usable cores were busy, and that a hypervisor took from them."""

    busy: float
    stolen: float


def core_ids() -> list[int]:
    """Ids of the cores that are online, in psutil's order: ids have gaps where some are switched off."""
    with suppress(OSError):
        words = (line.split(maxsplit=1)[0] for line in Path("/proc/stat").read_text().splitlines() if line)
        return [int(word[3:]) for word in words if word.startswith("cpu") and word != "cpu"]
    return list(range(os.cpu_count() or 1))


def machine_times(cores: list[int] | None = None) -> MachineTimes:
    """Summed over the cores that this process may use: what runs on others does not disturb it much."""
    every = dict(zip(core_ids(), psutil.cpu_times(percpu=True), strict=False))
    chosen = [every[core] for core in (usable_cores() if cores is None else cores) if core in every]
    parts = ("user", "nice", "system", "irq", "softirq")  # `user` has that of guests in it already
    return MachineTimes(
        busy=sum(getattr(core, part, 0.0) for core in chosen for part in parts),
        stolen=sum(getattr(core, "steal", 0.0) for core in chosen),
    )
