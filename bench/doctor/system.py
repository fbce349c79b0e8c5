"""Python, limits of the system, the clock."""

from __future__ import annotations

import os
import platform
import sys

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.host import cgroups
from bench.host.interpreters import OLDEST_PYTHON
from bench.host.system import read
from bench.host.worker_environment import is_usable

FEW_FILES, FEW_PROCESSES = 1024, 512
# clocks that a process reads without asking the kernel
FAST_CLOCKS = {"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "xen"}


def python(host: Host, version: tuple[int, ...] = sys.version_info[:3]) -> list[Finding]:
    """Version of Python, and whether it is an environment of its own."""
    text = f"{platform.python_implementation()} {'.'.join(map(str, version))}"
    if version < OLDEST_PYTHON:
        fix = "name another: `make bench PYTHON=python3.12`"
        return [problem("Python", f"{text}; {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed", fix, blocks=True)]
    if sys.prefix == sys.base_prefix and "CONDA_PREFIX" not in os.environ:
        fix = "`make setup` makes one; then `. .venv/bin/activate`"
        return [notice("Python", f"{text}, not in a virtual environment: other programs change its packages", fix)]
    return [good("Python", f"{text}, in an environment of its own")]


def open_files(host: Host) -> list[Finding]:
    """Files that a process may hold open."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FEW_FILES:
        return [good("open files", "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} a process")]
    return [notice("open files", f"{soft:,} a process: few for loader workers", "`ulimit -n 4096` in this shell")]


def processes(host: Host) -> list[Finding]:
    """Processes and threads that the container allows."""
    limit = cgroups.process_limit(host)
    if limit is None or limit >= FEW_PROCESSES:
        return [good("processes", "no limit that matters" if limit is None else f"{limit:,} allowed")]
    fix = "`docker run --pids-limit 4096 ...`"
    return [problem("processes", f"{limit} processes and threads allowed: frameworks start hundreds", fix)]


def temporary_folder(host: Host) -> list[Finding]:
    """Where sockets of loader processes lie: their paths may have 107 bytes."""
    named = os.environ.get("TMPDIR")
    if not named or is_usable(named):
        return [good("temporary folder", named or "the system's own")]
    text = f"TMPDIR={named}: too long for sockets, or no folder that can be written to; workers get another one"
    return [notice("temporary folder", text, "set TMPDIR to a short folder, /tmp for example")]


def clock(host: Host) -> list[Finding]:
    """What time is read from."""
    name = read(host.sys / "devices" / "system" / "clocksource" / "clocksource0" / "current_clocksource")
    if name is None:
        return [good("clock", "not told by the system")]
    if name in FAST_CLOCKS:
        return [good("clock", name)]
    fix = "see `dmesg | grep -i clocksource`; `clocksource=tsc` on the kernel's command line where the hardware has it"
    return [notice("clock", f"{name}: each reading asks the kernel and takes about a microsecond", fix)]
