"""What the control groups of this process (a container's, a service's) leave it, of both versions of the kernel's API.

Source of the file names: the kernel's admin-guide, cgroup-v2.rst and cgroup-v1/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.host.system import System, read

UNLIMITED_BYTES = 2**60  # version 1 writes "no limit" as a number near 2**63


def groups(host: System, controller: str) -> list[tuple[Path, bool]]:
    """Folders of the groups that hold this process, the innermost first, and whether each is of version 2.

    A limit may be set on any of them. Inside a container the path may be the host's and not be there: its parents,
    up to the mount, are then what counts.
    """
    found = []
    for line in (read(host.proc / "self" / "cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = host.sys / "fs" / "cgroup" / (controller if controllers else "")
        inner = root / path.strip("/")
        folders = [inner, *(parent for parent in inner.parents if parent.is_relative_to(root))]
        found += [(folder, not controllers) for folder in folders if folder.is_dir()]
    return found


def cpu_quota(host: System) -> float | None:
    """Cores' worth of time that the tightest group allows; None: no limit."""
    return min((share for share, _ in quotas(host)), default=None)


def quotas(host: System) -> list[tuple[float, Path]]:
    """Cores' worth of time that each group with a limit allows, and its folder."""
    shares = []
    for folder, is_second in groups(host, "cpu"):
        if is_second:
            quota, _, period = (read(folder / "cpu.max") or "max 1").partition(" ")
        else:
            quota = read(folder / "cpu.cfs_quota_us") or "-1"
            period = read(folder / "cpu.cfs_period_us") or "1"
        if quota.isdigit():
            shares.append((int(quota) / int(period), folder))
    return shares


@dataclass(frozen=True)
class Throttling:
    """What a quota did since its group was made."""

    periods: int  # of time in which the group ran
    throttled: int  # of these: in how many its threads were stopped until the next
    seconds: float  # for which they were, summed over cores


def throttling(folder: Path) -> Throttling | None:
    """The counters of a group with a quota, of either version; None where they cannot be read."""
    words = [line.split() for line in (read(folder / "cpu.stat") or "").splitlines()]
    counts = {line[0]: int(line[1]) for line in words if len(line) == 2 and line[1].isdigit()}
    if "nr_periods" not in counts or "nr_throttled" not in counts:
        return None
    # microseconds in version 2, nanoseconds in version 1
    seconds = counts.get("throttled_usec", 0) / 1e6 + counts.get("throttled_time", 0) / 1e9
    return Throttling(counts["nr_periods"], counts["nr_throttled"], seconds)


def memory_room(host: System) -> tuple[int, int] | None:
    """Bytes that the tightest group still has room for, and its limit; None: no limit.

    Pages of files that the kernel would drop by itself count as room.
    """
    rooms = []
    for folder, is_second in groups(host, "memory"):
        names = ("memory.max", "memory.current", "inactive_file")
        if not is_second:
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        limit, used = read(folder / names[0]), read(folder / names[1])
        if limit is None or used is None or not limit.isdigit() or int(limit) > UNLIMITED_BYTES:
            continue
        counters = dict(line.split() for line in (read(folder / "memory.stat") or "").splitlines())
        rooms.append((int(limit) - int(used) + int(counters.get(names[2], 0)), int(limit)))
    return min(rooms, default=None)


def oom_kills(host: System) -> int:
    """Processes of this process's own group that the kernel has killed for want of memory; 0 where nobody counts."""
    for folder, is_second in groups(host, "memory"):
        text = read(folder / ("memory.events" if is_second else "memory.oom_control"))
        for line in (text or "").splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.strip().isdigit():
                return int(count)
    return 0


def process_limit(host: System) -> int | None:
    """Processes and threads that the tightest group allows; None: no limit."""
    limits = [read(folder / "pids.max") for folder, _ in groups(host, "pids")]
    return min((int(limit) for limit in limits if limit and limit.isdigit()), default=None)
