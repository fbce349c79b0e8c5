"""What NVIDIA's management library says of a cell's GPUs; any of its answers may fail at any time.

The driver is passed in: a test's fake has the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeVar

import psutil

from bench.host.machine import gpu_handle
from bench.records.usage import GpuProcess, GpuUsage

Answer = TypeVar("Answer")
# what lowers the clocks, by the bit that nvml.h gives it; idling (1) is none
REASONS = {
    0x02: "applications clocks setting",
    0x04: "software power cap",
    0x08: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clock setting",
}
ABSENT = ("NVMLError_LibraryNotFound", "NVMLError_DriverNotLoaded", "ImportError", "ModuleNotFoundError")
# kinds of question, as notes name them
UTILISATION, MEMORY, POWER, ENERGY = "utilisation", "memory", "power", "energy counter"
SM_CLOCK, MEMORY_CLOCK, TEMPERATURE = "SM clock", "memory clock", "temperature"
THROTTLING, PROCESSES = "throttle reasons", "processes"


def connect() -> tuple[Any | None, str | None]:
    """The driver's library, initialised (the caller shuts it down); or None, and why where there is one that fails."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception as error:  # as `machine.with_driver`: whatever is wrong with it, the cell goes on
        name = type(error).__name__
        return None, None if name in ABSENT else f"GPUs were not watched: NVML does not start ({error})"
    return pynvml, None


class GpuWatch:
    """One GPU over a cell; `now` is in seconds since the cell's begin everywhere."""

    def __init__(self, driver: Any, selector: str, now: float = 0.0) -> None:
        self.driver, self.selector, self.notes = driver, selector, list[str]()
        self.failed: set[str] = set()
        self.lost = False
        self.others: dict[int, GpuProcess] = {}
        self.unknown: set[int] = set()
        self.memory_peak: int | None = None
        self.window: dict[str, list[float]] | None = None  # kind of question to its answers inside the window
        self.power: list[tuple[float, float]] = []  # (now, W) inside the window, from its first moment
        self.figures: dict[str, Any] = {}  # of the window, once it is over
        self.handle = self.ask("handle", now, lambda: gpu_handle(driver, selector))
        self.lost = self.handle is None
        self.name = self.ask("name", now, lambda: str(driver.nvmlDeviceGetName(self.handle)))
        self.energy_begin = self.counter(now)
        self.energy_window: float | None = None
        self.look_for_others(now, own=set(), running=False)

    def ask(self, what: str, now: float, question: Callable[[], Answer]) -> Answer | None:
        """An answer, or None from the first failure on: half a window's answers are no figure of the window."""
        if self.lost or what in self.failed:
            return None
        try:
            return question()
        except Exception as error:  # NVML's own, or of its Python face: the cell goes on whatever it is
            self.failed.add(what)
            self.lost = type(error).__name__ in ("NVMLError_GpuIsLost", "NVMLError_Uninitialized")
            prefix = "" if self.lost else f"{what}: "
            self.notes.append(f"GPU {self.selector}: {prefix}{error or type(error).__name__} (at {now:.1f} s)")
            return None

    def counter(self, now: float) -> float | None:
        """J since the driver was loaded, where the device counts them."""
        return self.ask(ENERGY, now, lambda: self.driver.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3)

    def gauges(self) -> dict[str, Callable[[], float]]:
        """Kind of question to the question, of what has a value at a moment."""
        driver, handle = self.driver, self.handle
        return {
            UTILISATION: lambda: driver.nvmlDeviceGetUtilizationRates(handle).gpu / 100,
            SM_CLOCK: lambda: driver.nvmlDeviceGetClockInfo(handle, driver.NVML_CLOCK_SM),
            MEMORY_CLOCK: lambda: driver.nvmlDeviceGetClockInfo(handle, driver.NVML_CLOCK_MEM),
            TEMPERATURE: lambda: driver.nvmlDeviceGetTemperature(handle, driver.NVML_TEMPERATURE_GPU),
            THROTTLING: self.reasons,
        }

    def reasons(self) -> float:
        """Bits of REASONS."""
        try:
            return int(self.driver.nvmlDeviceGetCurrentClocksEventReasons(self.handle))
        except Exception as error:
            if type(error).__name__ != "NVMLError_FunctionNotFound":
                raise
            # its name before driver 535
            return int(self.driver.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle))

    def sample(self, now: float, own: set[int], begin: bool = False, end: bool = False) -> None:
        """Look once.

        Args:
            now: seconds since the cell's begin.
            own: ids of the cell's processes.
            begin: the window has just begun; what is true at this moment was so before it, and only power counts.
            end: the window has just ended.
        """
        used = self.ask(MEMORY, now, lambda: int(self.driver.nvmlDeviceGetMemoryInfo(self.handle).used))
        if used is not None:
            self.memory_peak = max(used, self.memory_peak or 0)
        self.look_for_others(now, own, running=True)
        if begin:
            self.window, self.energy_window = {}, self.counter(now)
        if self.window is None:
            return
        power = self.ask(POWER, now, lambda: self.driver.nvmlDeviceGetPowerUsage(self.handle) / 1e3)
        if power is not None:
            self.power.append((now, power))
        if not begin:
            for what, question in self.gauges().items():
                value = self.ask(what, now, question)
                if value is not None:
                    self.window.setdefault(what, []).append(value)
        if end:
            self.figures = self.of_window(now)
            self.window = None

    def of_window(self, now: float) -> dict[str, Any]:
        """The window's figures, by the fields of GpuUsage."""
        assert self.window is not None
        # of a question that failed inside the window the answers before it are no figure
        values = {what: answers for what, answers in self.window.items() if what not in self.failed and not self.lost}
        power = [] if POWER in self.failed or self.lost else self.power
        figures: dict[str, Any] = {}
        for what, name in ((UTILISATION, "utilisation"), (SM_CLOCK, "sm_clock"), (MEMORY_CLOCK, "memory_clock")):
            if answers := values.get(what):
                figures[f"{name}_mean"] = sum(answers) / len(answers)
                figures |= {f"{name}_min": min(answers)} if name != "utilisation" else {}
        if answers := values.get(TEMPERATURE):
            figures["temperature_max"] = max(answers)
        if answers := values.get(THROTTLING):
            shares = {name: sum(bool(int(each) & bit) for each in answers) for bit, name in REASONS.items()}
            figures["throttle_reasons"] = {name: count / len(answers) for name, count in shares.items() if count}
        counter = self.counter(now)
        if counter is not None and self.energy_window is not None and counter >= self.energy_window:
            figures |= {"energy": counter - self.energy_window, "energy_source": "counter"}
        if power and power[-1][0] > power[0][0]:
            integral = sum((b - a) * (p + q) / 2 for (a, p), (b, q) in pairwise(power))
            figures |= {"power_mean": integral / (power[-1][0] - power[0][0]), "power_max": max(w for _, w in power)}
            if "energy" not in figures:
                figures |= {"energy": integral, "energy_source": "integrated"}
        return figures

    def look_for_others(self, now: float, own: set[int], running: bool) -> None:
        """Note the processes on the GPU that are none of the cell's.

        In a container the driver may give ids of the host, which mean nothing here: one that appears while the cell
        runs and that this system does not know can be the cell's own, and is counted apart.
        """
        found = self.ask(PROCESSES, now, lambda: list(self.driver.nvmlDeviceGetComputeRunningProcesses(self.handle)))
        for process in found or []:
            pid, used = int(process.pid), process.usedGpuMemory
            if pid in own or pid in self.others:
                continue
            if running and not psutil.pid_exists(pid):
                self.unknown.add(pid)
                continue
            self.others[pid] = GpuProcess(pid=pid, name=process_name(pid), memory=None if used is None else int(used))

    def usage(self, now: float) -> GpuUsage:
        """All that was seen."""
        counter = self.counter(now)
        whole = None if counter is None or self.energy_begin is None else counter - self.energy_begin
        if self.unknown:
            self.notes.append(
                f"GPU {self.selector}: {len(self.unknown)} process(es) whose ids this system does not know (a "
                "container): the cell's own, or others"
            )
        return GpuUsage(
            selector=self.selector,
            name=self.name,
            memory_used_peak=None if MEMORY in self.failed or self.lost else self.memory_peak,
            energy_cell=whole if whole is None or whole >= 0 else None,
            other_processes=list(self.others.values()),
            **self.figures,
        )


def process_name(pid: int) -> str:
    """A process's name, or that it is not to be seen from here."""
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "not visible from here"
