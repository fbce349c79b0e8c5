"""GPUs as NVIDIA's management library (NVML) describes them: memory, other processes, what slows them down.

Source of names and bits: the NVML API reference, "Device Queries" and "NvmlClocksEventReasons".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.doctor.findings import Finding, Host, good, notice, problem
from bench.doctor.measured import Device, Driver
from bench.host.machine import with_driver
from bench.host.system import gib, read

NVIDIA_VENDOR = "0x10de"
DISPLAY_CLASSES = ("0x0300", "0x0302")  # VGA and 3D controllers on the PCI bus
# bits of the reasons for a lower clock that have a cause in the machine; idle and a user's own setting have not
SLOWDOWNS = {0x8: "hardware slow-down", 0x20: "heat (software)", 0x40: "heat (hardware)", 0x80: "power brake"}
POWER_CAP = 0x4
DRIVER_FIX = "`nvidia-smi` says what is wrong; after an update of the driver restart the machine"


def ask_driver() -> Driver | None:
    """Every GPU of this machine; None where there is no driver or it does not start."""
    found: Driver | None = with_driver(describe, None)
    return found


def describe(pynvml: Any) -> Driver:
    """Ask an initialised NVML; a failure in the middle keeps what was answered."""
    version, devices, failure = "unknown", [], None
    try:
        version = str(pynvml.nvmlSystemGetDriverVersion())
        for index in range(pynvml.nvmlDeviceGetCount()):
            devices.append(describe_device(pynvml, index))
    except pynvml.NVMLError as error:
        failure = str(error)
    return Driver(version, tuple(devices), failure)


def describe_device(pynvml: Any, index: int) -> Device:
    """One GPU; what its model does not support stays None.

    Raises:
        pynvml.NVMLError: it does not answer at all.
    """
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)

    def asked(question: Callable[[Any], Any], otherwise: Any) -> Any:
        try:
            return question(handle)
        except pynvml.NVMLError:  # not supported on this model, or not permitted here
            return otherwise

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    persistent = asked(pynvml.nvmlDeviceGetPersistenceMode, None)
    mig = asked(pynvml.nvmlDeviceGetMigMode, None)
    return Device(
        index=index,
        name=str(pynvml.nvmlDeviceGetName(handle)),
        memory_bytes=int(memory.total),
        used_bytes=int(memory.used),
        processes=tuple(int(entry.pid) for entry in asked(pynvml.nvmlDeviceGetComputeRunningProcesses, ())),
        persistent=None if persistent is None else bool(persistent),
        mig=None if mig is None else bool(mig[0]),
        reasons=int(asked(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, 0)),
    )


def on_the_bus(host: Host) -> int:
    """NVIDIA display controllers on the PCI bus, whether a driver knows them or not."""
    folders = (host.sys / "bus" / "pci" / "devices").glob("*")
    return sum(
        read(folder / "vendor") == NVIDIA_VENDOR and (read(folder / "class") or "").startswith(DISPLAY_CLASSES)
        for folder in folders
    )


def driver(host: Host) -> list[Finding]:
    """The driver, and whether it answers."""
    if host.driver is None:
        if count := on_the_bus(host):
            fix = f"install NVIDIA's driver, or start the container with `--gpus all`; {DRIVER_FIX}"
            return [problem("GPU driver", f"{count} NVIDIA GPU(s) on the bus, but no driver answers", fix)]
        return [good("GPUs", "none: replicas are groups of CPU cores")]
    if host.driver.failure:
        return [problem("GPU driver", f"{host.driver.version}: failed with {host.driver.failure}", DRIVER_FIX)]
    if not host.driver.devices:
        return [notice("GPU driver", f"{host.driver.version}, but no GPU", "start the container with `--gpus all`")]
    return [good("GPU driver", host.driver.version)]


def devices(host: Host) -> list[Finding]:
    """Each GPU: what it has, and what would disturb a measurement."""
    found = []
    for device in host.driver.devices if host.driver else ():
        check = f"GPU {device.index}"
        found.append(good(check, f"{device.name}, {gib(device.memory_bytes)}, {gib(device.used_bytes)} in use"))
        found += [notice(check, *concern) for concern in concerns(device)]
        causes = [cause for bit, cause in SLOWDOWNS.items() if device.reasons & bit]
        if causes:
            fix = "see to cooling and power supply; `nvidia-smi -q -d PERFORMANCE` shows when it is over"
            found.append(problem(check, f"its clock is held down: {', '.join(causes)}", fix))
    return found


def concerns(device: Device) -> Iterator[tuple[str, str]]:
    """What would make this GPU's figures doubtful, each with its fix."""
    if device.processes:
        ids = ", ".join(map(str, device.processes))
        yield f"other processes compute on it: {ids}", "let them end, or name other GPUs in CUDA_VISIBLE_DEVICES"
    if device.persistent is False:
        yield "persistence mode is off: the driver may unload between cells", f"`nvidia-smi -i {device.index} -pm 1`"
    if device.mig:
        yield (
            "MIG is on: a replica gets a part of it",
            f"name the part in CUDA_VISIBLE_DEVICES (`nvidia-smi -i {device.index} -L`)",
        )
    if device.reasons & POWER_CAP:
        yield "its clock is held down by the power limit", "usual under load; on an idle GPU `nvidia-smi -q -d POWER`"
