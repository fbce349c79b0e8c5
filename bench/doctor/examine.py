"""All checks in their order, and what has to be measured before they can speak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from bench.doctor import cpus, frameworks, gpus, memory, noise, packages, storage, system
from bench.doctor.findings import Finding, Host
from bench.doctor.noise import Noise
from bench.doctor.storage import DiskSpeed
from bench.host import machine
from bench.host.environments.choice import python_of
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

Value = TypeVar("Value")
SCHEMA = 1  # of what `--json` writes

# a check reads the host and says what it found: nothing where it does not apply
CHECKS: tuple[Callable[[Host], list[Finding]], ...] = (
    system.python,
    frameworks.start,
    frameworks.see_gpus,
    frameworks.exchange,
    frameworks.cuda_libraries,
    packages.wing_packages,
    packages.companions,
    packages.ocr,
    cpus.processor,
    cpus.cores,
    cpus.quota,
    cpus.governor,
    cpus.load,
    memory.memory,
    memory.swap,
    memory.shared_memory,
    gpus.driver,
    gpus.devices,
    storage.results_folder,
    storage.disk_speed,
    system.open_files,
    system.processes,
    system.temporary_folder,
    system.clock,
    storage.proven,
    noise.noise,
)


@dataclass(frozen=True)
class Examination:
    """What `bench doctor` found."""

    host: Host
    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> list[Finding]:
        """Why `make bench` can not run here; empty where it can."""
        return [finding for finding in self.findings if finding.blocks]

    def as_json(self) -> dict[str, Any]:
        """For scripts: every finding, and the noise with its figures."""
        return {
            "schema_version": SCHEMA,
            "main_job": not self.blocking,
            "fingerprint": machine.fingerprint(),
            "findings": [asdict(finding) for finding in self.findings],
            "disk": figures(self.host.disk),
            "noise": figures(self.host.noise),
        }


def figures(measurement: DiskSpeed | Noise | str | None) -> dict[str, Any] | None:
    """A measurement's figures; None where there was none."""
    return None if measurement is None or isinstance(measurement, str) else asdict(measurement)


def look(quick: bool, say: Callable[[str], None]) -> Host:
    """Ask and measure what takes longer than reading a file.

    Args:
        quick: leave out the disk's speed and the noise.
        say: told what is being done, a line each.
    """
    load = cpus.minute_load()  # before anything of ours adds to it
    say(f"{' and '.join(framework.title for framework in FRAMEWORKS.values())}, a process each")
    probes = frameworks.probe({framework: python_of(framework) for framework in FRAMEWORKS})
    host = Host(load=load, driver=gpus.ask_driver(), probes=probes)
    if quick:
        return host
    say(f"speed of the disk: {storage.TEST_BYTES // 2**20} MB written and read back")
    disk = measured(lambda: storage.measure_disk(host.results))
    say(f"noise: a fixed kernel for {noise.SECONDS:.0f} s")
    return replace(host, disk=disk, noise=measured(noise.measure))


def measured(what: Callable[[], Value]) -> Value | str:
    """The outcome of a measurement, or in words why there is none."""
    try:
        return what()
    except (OSError, UserError) as error:
        return getattr(error, "strerror", None) or str(error)


def examine(host: Host) -> Examination:
    """Every check on a host."""
    return Examination(host, tuple(finding for check in CHECKS for finding in check(host)))
