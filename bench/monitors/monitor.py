"""The monitor of one cell: called from the harness's own poll loop, looks once per second and at the window's ends.

Inside the window it searches for nothing and reads two small files per process, at most once per second.

Counters (CPU time, energy) are read where the window begins and ends; what has a value at a moment (power, clocks) is
sampled in between. No look is taken sooner than its predecessor's price allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil

from bench.host.cgroups import Throttling, quotas, throttling
from bench.host.system import System
from bench.monitors.nvml import GpuWatch, connect
from bench.monitors.processes import MachineTimes, Tree, machine_times
from bench.records.usage import Usage

# between two looks; less than the harness's own second between two of its in the window, so that none is left out
SAMPLE_SECONDS = 0.95
FIND_SECONDS = 5.0  # between two searches for new processes, beside those at a change of phase
SHARE = 0.002  # of a core that the looks may cost on average; the searches, of which the window has none, as much
WINDOW = "measure"  # the phase that is the window


@dataclass(frozen=True)
class Snapshot:
    """Cumulative counters at one moment, in seconds."""

    now: float
    cpu: float  # of the cell's tree
    harness: float  # CPU time of the harness itself
    machine: MachineTimes | None  # None: the system does not say
    throttling: Throttling | None = None  # None: no CPU quota, or its counters are not told


class Monitor:
    """What one cell uses of the machine, from the start of its first process to its end."""

    def __init__(
        self,
        root: int,
        selectors: Sequence[str] = (),
        driver: Any = None,
        clock: Callable[[], float] = time.monotonic,
        num_monitors: int = 1,
        host: System | None = None,
    ) -> None:
        """Begin.

        Args:
            root: id of the cell's first process.
            selectors: the cell's GPUs as CUDA_VISIBLE_DEVICES names them; empty: none is watched.
            driver: in place of NVIDIA's management library.
            clock: seconds that no change of the system's time disturbs.
            num_monitors: that look at once, on cells alive at once; together they cost no more than one.
            host: where the system's files are, in place of this machine's.
        """
        self.num_monitors = num_monitors
        self.clock, self.begun = clock, clock()
        self.notes: list[str] = []
        self.num_samples, self.cost = 0, 0.0
        self.num_samples_window = 0
        self.search_cost = 0.0  # the part of the cost that went into searches
        self.broken = False
        self.phase = "start"
        self.rss_peak = 0
        self.pss_peak: int | None = None
        self.window: list[Snapshot] = []  # its begin, and its end
        self.next_look = self.next_find = self.begun
        self.stepped = False
        self.own_driver = False
        self.driver, self.gpus = driver, list[GpuWatch]()
        begun = time.thread_time()
        if selectors and driver is None:
            self.driver, why = connect()
            self.own_driver = self.driver is not None
            self.notes += [why] if why else []
        if self.driver is not None:
            self.gpus = [GpuWatch(self.driver, selector) for selector in selectors]
        self.tree = Tree(root)
        self.quota = min(quotas(host or System()), default=None)  # the tightest, and its group
        self.first = self.snapshot()
        self.cost += time.thread_time() - begun

    def now(self) -> float:
        """Seconds since the cell's begin."""
        return self.clock() - self.begun

    def snapshot(self) -> Snapshot:
        """All cumulative counters now."""
        self.rss_peak = max(self.rss_peak, self.tree.look())
        machine = None
        with suppress(OSError, psutil.Error):
            machine = machine_times()
        stopped = throttling(self.quota[1]) if self.quota else None
        return Snapshot(self.now(), self.tree.cpu_seconds, time.process_time(), machine, stopped)

    def look(self, phase: str, stepped: bool) -> None:
        """Called at every poll; does nothing until something is due. Never raises: a cell does not end for its monitor.

        Args:
            phase: of rank 0, as its events say.
            stepped: whether the first step is over.
        """
        changed = phase != self.phase or stepped != self.stepped
        if self.broken or not (changed or self.clock() >= self.next_look):
            return
        begun, searched = time.thread_time(), self.search_cost
        try:
            self.sample(phase, stepped, changed)
        except Exception as error:  # whatever the system answers: the measurement is worth more than its monitor
            self.stop(error)
        cost = time.thread_time() - begun
        self.cost += cost
        cost -= self.search_cost - searched  # which is spread out by itself
        self.next_look = self.clock() + self.num_monitors * max(SAMPLE_SECONDS, cost / SHARE)

    def stop(self, error: Exception) -> None:
        """Look no more, and say why."""
        if not self.broken:
            self.notes.append(f"the monitor stopped at {self.now():.1f} s: {type(error).__name__}: {error}")
        self.broken = True

    def sample(self, phase: str, stepped: bool, changed: bool) -> None:
        """One look, with the counters where the window begins or ends."""
        begin = phase == WINDOW != self.phase and not self.window
        end = self.phase == WINDOW != phase and len(self.window) == 1
        if phase != WINDOW and not end and (changed or self.clock() >= self.next_find):
            self.find()
        if begin or end:
            self.window.append(self.snapshot())
        else:
            self.rss_peak = max(self.rss_peak, self.tree.look())
        now = self.window[-1].now if begin or end else self.now()
        own = set(self.tree.members)
        for gpu in self.gpus:
            gpu.sample(now, own, begin, end)
        # dear, for the cell too: never inside the window, nor before a step has been taken and memory with it
        if changed and stepped and phase != WINDOW and self.num_monitors == 1:  # else it would meet another's turn
            proportional = self.tree.proportional()
            self.pss_peak = max(proportional or 0, self.pss_peak or 0) or None
        self.num_samples_window += phase == WINDOW or end
        self.phase, self.stepped = phase, stepped
        self.num_samples += 1

    def find(self) -> None:
        """Search for new processes; the next time not before the search's price has been spread out."""
        begun = time.thread_time()
        self.tree.find()
        spent = time.thread_time() - begun
        self.search_cost += spent
        self.next_find = self.clock() + self.num_monitors * max(FIND_SECONDS, spent / SHARE)

    def close(self) -> None:
        """Give the driver back; twice does no harm."""
        if self.own_driver:
            self.own_driver = False
            with suppress(Exception):  # a driver that was lost meanwhile has nothing to give back
                self.driver.nvmlShutdown()

    def usage(self) -> Usage:
        """Everything that was seen; the cell has ended. The driver is given back. Never raises, as `look`."""
        try:
            return self.all_seen()
        except Exception as error:
            self.stop(error)
            return Usage(seconds=self.now(), num_samples=self.num_samples, notes=self.notes)
        finally:
            self.close()

    def all_seen(self) -> Usage:
        """What `usage` returns."""
        begun = time.thread_time()
        last = self.snapshot()
        gpus = [gpu.usage(last.now) for gpu in self.gpus]
        notes = [*self.notes, *(note for gpu in self.gpus for note in gpu.notes)]
        figures: dict[str, Any] = {}
        if len(self.window) == 2:
            figures = between(self.window[0], self.window[1], notes)
            figures["num_samples_window"] = self.num_samples_window
            figures["harness_cpu_seconds"] = self.window[1].harness - self.window[0].harness
        else:
            notes.append(f"no figures of the window: it was {'not over' if self.window else 'not seen'}")
        whole = between(self.first, last, [])
        figures |= throttled(*(self.window if len(self.window) == 2 else (self.first, last)))
        return Usage(
            seconds=last.now,
            cpu_seconds_cell=last.cpu,
            other_cores_cell=whole.get("other_cores"),
            rss_peak=self.rss_peak or None,
            pss_peak=self.pss_peak,
            cpu_quota=self.quota[0] if self.quota else None,
            gpus=gpus,
            num_samples=self.num_samples,
            sampling_cpu_seconds=self.cost + time.thread_time() - begun,
            notes=notes,
            **figures,
        )


def between(first: Snapshot, last: Snapshot, notes: list[str]) -> dict[str, float]:
    """The figures of an interval by the fields of Usage; says in `notes` what it had to leave out."""
    seconds = last.now - first.now
    if seconds <= 0:
        notes.append("no figures of the window: it had no length")
        return {}
    cpu, harness = last.cpu - first.cpu, last.harness - first.harness
    figures = {"window_seconds": seconds, "cpu_seconds": cpu, "cores_used": cpu / seconds}
    if first.machine is None or last.machine is None:
        notes.append("the system does not tell how busy its cores are: what others used is not known")
        return figures
    busy = last.machine.busy - first.machine.busy
    if busy < 0.5 * (cpu + harness) - 0.1:  # a sandbox whose /proc/stat counts nothing, or not what we see
        notes.append("the system does not count its cores' busy time: what others used is not known")
        return figures
    figures["other_cores"] = max(0.0, (busy - cpu - harness) / seconds)
    figures["stolen_cores"] = max(0.0, (last.machine.stolen - first.machine.stolen) / seconds)
    return figures


def throttled(first: Snapshot, last: Snapshot) -> dict[str, float]:
    """What a CPU quota stopped in an interval, by the fields of Usage; empty where there is none."""
    before, after = first.throttling, last.throttling
    if before is None or after is None:
        return {}
    return {
        "quota_periods": after.periods - before.periods,
        "throttled_periods": after.throttled - before.throttled,
        "throttled_seconds": after.seconds - before.seconds,
    }
