"""NVIDIA's management library with recorded answers: of an H200, and of a V100 that knows less and shares its GPU.

It has the functions and constants that the monitors use, raises the library's own errors, and fails on request:
`fail(function)` from now on, or `fail(function, after=n)` after n more answers.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 2**30
H200 = {
    "name": "NVIDIA H200",
    "utilisation": [97, 100, 99],  # per cent
    "memory": 23 * GIB,
    "power": [412_350, 655_020, 631_800],  # mW
    "energy": 1_734_882_115,  # mJ since the driver was loaded
    "energy_step": 600_000,  # mJ from one answer to the next
    "sm_clock": [1980, 1755, 1830],  # MHz
    "memory_clock": [3201],
    "temperature": [48, 55, 57],
    "reasons": [0x0, 0x4, 0x4],
    "processes": [],
}
V100 = {
    "name": "Tesla V100-SXM2-16GB",
    "utilisation": [88],
    "memory": 9 * GIB,
    "power": [250_000, 270_000],
    "energy": None,  # as a GPU older than Volta, or behind a hypervisor: not supported
    "sm_clock": [1530],
    "memory_clock": [877],
    "temperature": [66],
    "reasons": [0x1, 0x20 | 0x4],
    "processes": [(999_999_999, 3 * GIB)],
}


class FakeNvml:
    """Answers for one GPU after another; each question goes through its list and stays at the last answer."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM = pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM
    NVML_TEMPERATURE_GPU = pynvml.NVML_TEMPERATURE_GPU

    def __init__(self, *gpus: dict[str, Any]) -> None:
        self.gpus = [dict(gpu) for gpu in gpus]
        self.asked: dict[tuple[int, str], int] = {}
        self.failing: dict[str, list[Any]] = {}  # function to [answers left, error]
        self.is_shut_down = False

    def fail(self, function: str, error: int = pynvml.NVML_ERROR_NOT_SUPPORTED, after: int = 0) -> None:
        self.failing[function] = [after, error]

    def lose(self) -> None:
        """The GPU falls off the bus."""
        for name in dir(self):
            if name.startswith("nvmlDevice"):
                self.fail(name, pynvml.NVML_ERROR_GPU_IS_LOST)

    def answer(self, function: str, handle: int, name: str) -> Any:
        left = self.failing.get(function)
        if left is not None:
            if left[0] <= 0:
                raise pynvml.NVMLError(left[1])
            left[0] -= 1
        value = self.gpus[handle][name]
        if value is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        count = self.asked.get((handle, name), 0)
        self.asked[handle, name] = count + 1
        return value[min(count, len(value) - 1)] if isinstance(value, list) and name != "processes" else value

    def nvmlInit(self) -> None:  # noqa: N802
        if "nvmlInit" in self.failing:
            raise pynvml.NVMLError(self.failing["nvmlInit"][1])

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.is_shut_down = True

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index >= len(self.gpus):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802
        return int(uuid.rpartition("-")[2])

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return str(self.answer("nvmlDeviceGetName", handle, "name"))

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=self.answer("nvmlDeviceGetUtilizationRates", handle, "utilisation"), memory=40)

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        used = self.answer("nvmlDeviceGetMemoryInfo", handle, "memory")
        return SimpleNamespace(total=141 * GIB, used=used, free=141 * GIB - used)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return int(self.answer("nvmlDeviceGetPowerUsage", handle, "power"))

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        begin = self.answer("nvmlDeviceGetTotalEnergyConsumption", handle, "energy")
        return int(begin + self.gpus[handle]["energy_step"] * (self.asked[handle, "energy"] - 1))

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:  # noqa: N802
        name = "sm_clock" if kind == self.NVML_CLOCK_SM else "memory_clock"
        return int(self.answer("nvmlDeviceGetClockInfo", handle, name))

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        return int(self.answer("nvmlDeviceGetTemperature", handle, "temperature"))

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: int) -> int:  # noqa: N802
        return int(self.answer("nvmlDeviceGetCurrentClocksEventReasons", handle, "reasons"))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        running = self.answer("nvmlDeviceGetComputeRunningProcesses", handle, "processes")
        return [SimpleNamespace(pid=pid, usedGpuMemory=used) for pid, used in running]
