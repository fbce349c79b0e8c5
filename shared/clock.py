"""How long this process has lived, whatever is done to the system's clock meanwhile."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil

LONGEST_AGE = 3600.0  # seconds; an older process that has just begun its work is a clock that was set
START_FIELD = 19  # of /proc/PID/stat after the name's bracket: clock ticks from boot to the start (proc(5), field 22)


def age_since_boot(stat: str, boottime: float, ticks: float) -> float:
    """Seconds that a process has lived.

    Args:
        stat: its line in /proc; the name in it is in brackets and may hold anything.
        boottime: CLOCK_BOOTTIME, which nobody can set, now.
        ticks: clock ticks per second.
    """
    started = float(stat.rpartition(")")[2].split()[START_FIELD])
    return max(0.0, boottime - started / ticks)


def age_by_clock(created: float, now: float, at_least: float) -> float:
    """Seconds between two readings of a clock that may have been set in between.

    Args:
        created: time.time() at the start, as the system remembers it.
        now: time.time() now.
        at_least: seconds that have passed for certain, in place of an impossible difference.
    """
    age = now - created
    return age if at_least <= age <= LONGEST_AGE else at_least


def process_age() -> float:
    """Seconds since this process was started, imports included; on Linux by the clock that counts from boot.

    Elsewhere by the system's clock: where that was set since the start, the CPU time so far, which is too short.
    """
    path = Path("/proc/self/stat")
    if hasattr(time, "CLOCK_BOOTTIME") and path.exists():
        boottime = time.clock_gettime(time.CLOCK_BOOTTIME)
        return age_since_boot(path.read_text(encoding="utf-8", errors="replace"), boottime, os.sysconf("SC_CLK_TCK"))
    return age_by_clock(psutil.Process().create_time(), time.time(), time.process_time())
