"""How much a fixed kernel's speed varies here, and the smallest difference that can be told from that.

An A/A: both sides are the same kernel, so whatever the interval of their ratio reaches is noise. Two kinds are named
apart (as asv does): jitter, from call to call within a second, which more calls average out; and drift, from second to
second, which only interleaving helps against. It is one core and one process: what differs from process to process,
and between all cores at work, comes on top, so the figures are the least that a training will show.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.doctor import kernel
from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.doctor.kernel import Block
from bench.doctor.measured import FEW_PAIRS, PAIRS, Meanwhile, Noise
from bench.host.machine import usable_cores
from bench.host.processes import exit_text
from bench.host.system import read
from bench.statistics import intervals
from bench.statistics.power import POWER, shown_share
from shared.errors import UserError

SECONDS = 10.0
SPARE_SECONDS = 60.0  # for NumPy to be imported from a cold disk
GATE_THRESHOLD = 0.03
FINE, COARSE = 0.01, 0.03  # that 20 pairs show in 80 % of runs: up to the first is good, beyond the second a problem
QUIET = "end other work, set the governor to performance, use a machine of your own (not a shared one)"


def measure(seconds: float = SECONDS, proc: Path = Path("/proc")) -> Noise:
    """Run the A/A for so long in a process of its own, pinned to the last usable core.

    Args:
        seconds: above 0; the interval is that of 20 pairs whatever the time, shorter ones are noisier.
        proc: where the kernel's counters are read.

    Raises:
        UserError: the process failed.
    """
    assert seconds > 0, seconds
    # the first core serves most interrupts
    command = [sys.executable, "-P", kernel.__file__, str(seconds), str(PAIRS), str(usable_cores()[-1])]
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM")}
    before, began, own = cpu_times(proc), time.perf_counter(), children_seconds()
    try:
        done = subprocess.run(
            command, env=os.environ | one_thread, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=seconds + SPARE_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise UserError(f"the kernel of {seconds:g} s was not done {SPARE_SECONDS:.0f} s after its time") from None
    if done.returncode:
        words = done.stderr.strip().splitlines() or [exit_text(done.returncode)]
        raise UserError(f"the kernel failed: {words[-1][:200]}")
    printed = json.loads(done.stdout)
    first, second = ([Block(block["start"], tuple(block["seconds"])) for block in side] for side in printed["sides"])
    spent = meanwhile(before, cpu_times(proc), time.perf_counter() - began, children_seconds() - own)
    return analyse(seconds, printed["size"], first, second, spent)


def analyse(
    seconds: float, size: int, first: Sequence[Block], second: Sequence[Block], spent: Meanwhile | None = None
) -> Noise:
    """What the blocks of both sides say, pair by pair."""
    under, over = ([statistics.fmean(block.seconds) for block in side] for side in (first, second))
    groups = by_second([*first, *second])
    spreads = [statistics.stdev(calls) / statistics.fmean(calls) for calls in groups if len(calls) > 1]
    centres = [statistics.median(calls) for calls in groups]
    calls = [call for group in groups for call in group]
    ratio = intervals.ratio(over, under)
    few = [
        shown_share(intervals.ratio(over[begin : begin + FEW_PAIRS], under[begin : begin + FEW_PAIRS]))
        for begin in range(len(over) - FEW_PAIRS + 1)
    ]
    known = [share for share in few if share is not None]
    return Noise(
        seconds=seconds,
        size=size,
        kernel_seconds=statistics.median(calls),
        calls=len(calls),
        ratio=ratio,
        jitter=statistics.median(spreads) if spreads else 0.0,
        drift=statistics.stdev(centres) / statistics.fmean(centres) if len(centres) > 1 else None,
        shown_few=statistics.median(known) if known else None,
        shown=shown_share(ratio),
        meanwhile=spent,
    )


def by_second(blocks: Sequence[Block]) -> list[list[float]]:
    """Calls of all blocks, by the second in which their block began."""
    groups: dict[int, list[float]] = {}
    for block in sorted(blocks, key=lambda block: block.start):
        groups.setdefault(int(block.start), []).extend(block.seconds)
    return list(groups.values())


def cpu_times(proc: Path) -> list[int] | None:
    """The kernel's counters of all cores together, from user to steal (proc(5), /proc/stat); None: no /proc."""
    fields = (read(proc / "stat") or "").partition("\n")[0].split()
    return [int(number) for number in fields[1:9]] if len(fields) > 8 else None


def children_seconds() -> float:
    """CPU time of all processes that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def meanwhile(before: list[int] | None, after: list[int] | None, seconds: float, own: float) -> Meanwhile | None:
    """What two readings of the counters say.

    Args:
        before, after: from `cpu_times`, in ticks. seconds: between them. own: CPU seconds that were ours.
    """
    if before is None or after is None:
        return None
    user, nice, system, idle, waiting, interrupt, soft, steal = (
        late - early for early, late in zip(before, after, strict=True)
    )
    busy = user + nice + system + interrupt + soft
    ticks = os.sysconf("SC_CLK_TCK")
    return Meanwhile(
        stolen=steal / max(1, busy + idle + waiting + steal),
        other_cores=max(0.0, (busy / ticks - own) / seconds),
    )


def noise(host: Host) -> list[Finding]:
    """The smallest difference that this machine resolves, and where the noise comes from."""
    if host.noise is None:
        return []
    if isinstance(host.noise, str):
        return [notice("noise", f"not measured: {host.noise}")]
    seen = host.noise
    if seen.shown is None or seen.shown_few is None:
        return [notice("noise", f"too few pairs for an interval ({seen.ratio.count})")]
    needed = seen.pairs_for(GATE_THRESHOLD)
    text = (
        f"{seen.ratio.count} pairs show a difference of {seen.shown:.1%} in {POWER:.0%} of runs here, {FEW_PAIRS} "
        f"pairs one of {seen.shown_few:.1%}; one of {GATE_THRESHOLD:.0%} takes about {needed} pairs or more (a "
        "training varies more than one kernel)"
    )
    if seen.shown > COARSE:
        verdict = problem("noise", text, QUIET)
    else:
        verdict = notice("noise", text, QUIET) if seen.shown > FINE else good("noise", text)
    return [verdict, good("jitter and drift", sources(seen))]


def sources(seen: Noise) -> str:
    """Where the noise comes from."""
    parts = [f"jitter {seen.jitter:.1%} within a second"]
    if seen.drift is not None:
        parts.append(f"drift {seen.drift:.1%} over {seen.seconds:.0f} s")
    if seen.meanwhile is not None:
        parts.append(f"other work took {seen.meanwhile.other_cores:.1f} cores meanwhile")
        parts.append(f"the hypervisor {seen.meanwhile.stolen:.1%} of all time")
    return ", ".join(parts)
