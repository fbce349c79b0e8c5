"""Checks of GPUs with recorded answers of a driver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.doctor import gpus
from bench.doctor.gpus import Device, Driver
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import GIB, only

QUIET = Device(0, "H200", 140 * GIB, GIB, persistent=True, mig=False)


class NVMLError(Exception):
    """As pynvml's."""


class FakeNvml:
    """What the checks ask of pynvml, for two GPUs; the second one may fail."""

    NVMLError = NVMLError

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "570.1"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index == 1 and self.broken:
            raise NVMLError("GPU is lost")
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "H200"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802
        return SimpleNamespace(total=140 * GIB, used=GIB)

    def nvmlDeviceGetPersistenceMode(self, handle: int) -> int:  # noqa: N802
        return 0

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:  # noqa: N802
        raise NVMLError("Not Supported")

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:  # noqa: N802
        return [SimpleNamespace(pid=77)] if handle == 1 else []

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        return 0x40 | 0x1


def test_what_the_driver_answers_and_does_not_support() -> None:
    answered = gpus.describe(FakeNvml())
    first, second = answered.devices
    assert (answered.version, answered.failure) == ("570.1", None)
    assert first == Device(0, "H200", 140 * GIB, GIB, (), persistent=False, mig=None, reasons=0x41)
    assert second.processes == (77,)


def test_a_driver_that_fails_in_the_middle(tmp_path: Path) -> None:
    answered = gpus.describe(FakeNvml(broken=True))
    assert (len(answered.devices), answered.failure) == (1, "GPU is lost")
    found = only(gpus.driver(replace(fake_host.make(tmp_path), driver=answered)))
    assert (found.state, found.blocks) == ("problem", False)
    assert "failed with GPU is lost" in found.text


def test_a_gpu_on_the_bus_without_a_driver(tmp_path: Path) -> None:
    bus = "sys/bus/pci/devices/0000:0{}/{}"
    files = {bus.format(1, "vendor"): "0x10de", bus.format(1, "class"): "0x030200",
             bus.format(2, "vendor"): "0x10de", bus.format(2, "class"): "0x040300",  # its sound
             bus.format(3, "vendor"): "0x1234", bus.format(3, "class"): "0x030000"}  # fmt: skip
    found = only(gpus.driver(fake_host.make(tmp_path, files)))
    assert (found.state, found.text) == ("problem", "1 NVIDIA GPU(s) on the bus, but no driver answers")


def test_a_machine_without_gpus_is_good(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert only(gpus.driver(host)).state == "good"
    assert gpus.devices(host) == []
    assert only(gpus.driver(replace(host, driver=Driver("570.1")))).state == "notice"


def test_what_disturbs_a_measurement(tmp_path: Path) -> None:
    def texts(device: Device) -> list[tuple[str, str]]:
        host = replace(fake_host.make(tmp_path), driver=Driver("570.1", (device,)))
        return [(finding.state, finding.text) for finding in gpus.devices(host)]

    assert texts(QUIET) == [("good", "H200, 140.0 GiB, 1.0 GiB in use")]
    assert texts(replace(QUIET, processes=(7, 9)))[1] == ("notice", "other processes compute on it: 7, 9")
    assert texts(replace(QUIET, persistent=False))[1][1].startswith("persistence mode is off")
    assert texts(replace(QUIET, mig=True))[1][1].startswith("MIG is on")
    assert texts(replace(QUIET, reasons=0x4))[1][0] == "notice"
    hot = ("problem", "its clock is held down: heat (software), heat (hardware)")
    assert texts(replace(QUIET, reasons=0x1 | 0x20 | 0x40))[1] == hot
