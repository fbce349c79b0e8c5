"""Processor, cores, and what holds them back."""

from __future__ import annotations

from pathlib import Path

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.host import cgroups
from bench.host.system import read

# instruction sets that change the speed of a step, as /proc/cpuinfo calls them (x86, then Arm)
INSTRUCTIONS = {
    "avx2": "AVX2", "avx512f": "AVX-512", "avx512_bf16": "AVX-512 bf16", "avx_vnni": "AVX-VNNI", "amx_tile": "AMX",
    "asimd": "NEON", "sve": "SVE", "bf16": "bf16",
}  # fmt: skip
BUSY_SHARE = 0.25  # of a core for each usable one; above it, other work is in the way


def cpu_facts(host: Host) -> dict[str, str]:
    """The first processor's lines of /proc/cpuinfo; empty where there is none."""
    lines = (read(host.proc / "cpuinfo") or "").splitlines()
    pairs = (line.partition(":") for line in reversed(lines))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def processor(host: Host) -> list[Finding]:
    """Model, and the instruction sets that change the speed of a step."""
    facts = cpu_facts(host)
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    if not flags:
        return [notice("processor", "unknown: there is no /proc/cpuinfo to read")]
    has = [name for flag, name in INSTRUCTIONS.items() if flag in flags]
    text = f"{facts.get('model name', 'model unknown')}; {', '.join(has) or 'no vector instructions that matter'}"
    if "flags" not in facts:
        return [good("processor", text)]
    if "avx" not in flags:
        fix = "use a machine with AVX (any x86 server since 2012), or have the hypervisor pass the host's processor on"
        return [problem("processor", f"{text}; TensorFlow's wheels need AVX", fix, blocks=True)]
    if "avx2" not in flags:
        return [notice("processor", f"{text}; no AVX2: several times slower than what both frameworks are built for")]
    return [good("processor", text)]


def physical_cores(host: Host) -> list[int] | None:
    """The first usable core of each one in hardware; None where the system does not tell which belong together."""
    names = ("core_cpus_list", "thread_siblings_list")  # the second: kernels before 5.3
    firsts: dict[str, int] = {}
    for core in host.cores:
        topology = host.sys / "devices" / "system" / "cpu" / f"cpu{core}" / "topology"
        siblings = next(filter(None, (read(topology / name) for name in names)), None)
        if siblings is None:
            return None
        firsts.setdefault(siblings, core)
    return list(firsts.values())


def cores(host: Host) -> list[Finding]:
    """Usable cores, and whether two of them are threads of one."""
    usable, physical = len(host.cores), physical_cores(host)
    text = f"{usable} usable: {_ranges(host.cores)}"
    if physical is not None and len(physical) < usable:
        fix = f"`taskset -c {','.join(map(str, physical))} bench run ...` uses one thread of each, or switch SMT off"
        return [notice("cores", f"{text}, on {len(physical)} physical ones (SMT): replicas may share a core", fix)]
    if usable < 2:
        fix = "give the container or virtual machine two cores; until then only `--gpus 1` says anything"
        return [notice("cores", f"{text}: two CPU replicas would be oversubscribed", fix)]
    return [good("cores", text + (", each a physical one" if physical else ""))]


def quota(host: Host) -> list[Finding]:
    """Whether a container's share of time stops threads in the middle of a step."""
    allowed = cgroups.cpu_quota(host)
    if allowed is None or allowed >= len(host.cores):
        return [good("CPU quota", "none below the usable cores")]
    text = f"{allowed:g} cores' worth of time on {len(host.cores)} cores: the kernel stops threads in mid-step"
    whole = max(1, int(allowed))
    fix = f"give whole cores in place of a quota: `docker run --cpuset-cpus {_ranges(host.cores[:whole])} ...`"
    return [problem("CPU quota", text, fix)]


def governor(host: Host) -> list[Finding]:
    """Whether the cores' clock follows the load."""
    folder = host.sys / "devices" / "system" / "cpu"
    read_ones = [read(folder / f"cpu{core}" / "cpufreq" / "scaling_governor") for core in host.cores]
    governors = sorted({name for name in read_ones if name})
    if not governors:
        return [good("governor", "not told (a virtual machine, as a rule)")]
    if governors == ["performance"]:
        return [good("governor", "performance")]
    return [notice("governor", f"{', '.join(governors)}: the clock changes", "`cpupower frequency-set -g performance`")]


def minute_load(proc: Path = Path("/proc")) -> float | None:
    """Processes that ran or waited, the mean of the last minute; None where the system does not tell."""
    text = read(proc / "loadavg")
    return None if text is None else float(text.split()[0])


def load(host: Host) -> list[Finding]:
    """Whether other work ran before we began."""
    if host.load is None:
        return [notice("other work", "unknown: there is no /proc/loadavg to read")]
    told = f"load of the last minute {host.load:.2f} on {len(host.cores)} cores"
    if host.load > BUSY_SHARE * len(host.cores):
        return [notice("other work", told, "let it end before anything is timed (`top` shows it)")]
    return [good("other work", told)]


def _ranges(numbers: tuple[int, ...]) -> str:
    """Ascending numbers as Linux writes lists of cores.

    >>> _ranges((0, 1, 2, 5))
    '0-2,5'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
