"""What this machine has: cores, GPUs, software; found without importing a framework."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.host import git
from bench.host.locations import PROJECT_ROOT
from shared.frameworks import FRAMEWORKS
from shared.spec import digest

PACKAGES = (
    "twinbench", *(name for each in FRAMEWORKS.values() for name in each.packages),
    "numpy", "pillow", "safetensors", "pydantic", "nvidia-ml-py",
)  # fmt: skip


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use."""

    selector: str  # what CUDA_VISIBLE_DEVICES calls it
    name: str
    memory_bytes: int


def usable_cores() -> list[int]:
    """Ids of the CPU cores that this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def with_driver(ask: Callable[[Any], Any], otherwise: Any) -> Any:
    """Ask NVIDIA's management library something; `otherwise` where it or the driver is missing."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, or one that does not answer: a machine without GPUs
        return otherwise
    try:
        return ask(pynvml)
    except pynvml.NVMLError:  # a GPU that fails between two questions
        return otherwise
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def gpu_handle(pynvml: Any, selector: str) -> Any:
    """The driver's handle of a GPU, by index or UUID as in CUDA_VISIBLE_DEVICES."""
    if selector.isdigit():
        return pynvml.nvmlDeviceGetHandleByIndex(int(selector))
    return pynvml.nvmlDeviceGetHandleByUUID(selector)


def gpus() -> list[Gpu]:
    """GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; empty where there is no driver."""

    def ask(pynvml: Any) -> list[Gpu]:
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        count = pynvml.nvmlDeviceGetCount()
        selectors = [str(index) for index in range(count)] if chosen is None else chosen.split(",")
        found = []
        for selector in (part.strip() for part in selectors):
            try:
                handle = gpu_handle(pynvml, selector)
            except pynvml.NVMLError:
                break  # as CUDA does: whatever follows an invalid entry is not visible
            memory = 0
            with suppress(pynvml.NVMLError):  # those that share the host's memory do not say
                memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
            found.append(Gpu(selector, str(pynvml.nvmlDeviceGetName(handle)), memory))
        return found

    return list(with_driver(ask, []))


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Version of each package that matters and is installed."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def summary() -> str:
    """Processor, cores, Python and packages in a line, for documents that hold measurements."""
    versions = {"python": platform.python_version(), **package_versions()}
    listed = ", ".join(f"{name} {each}" for name, each in sorted(versions.items()))
    return f"{cpu_model()}, {len(usable_cores())} cores; {listed}"


def revision() -> str | None:
    """Git commit of the suite, with `-dirty` where files differ from it; None outside a checkout, or not known."""
    return git.describe(PROJECT_ROOT)[0]


def revision_notes() -> list[str]:
    """What a run has to say of its revision: why it is not known; empty where it is, and outside a checkout."""
    _, unknown = git.describe(PROJECT_ROOT)
    return [f"revision not known: {unknown}"] if unknown else []


def hardware() -> dict[str, Any]:
    """What decides the speed of this machine, as far as we may use it."""
    import psutil

    return {
        "cpu": cpu_model(),
        "usable_cores": len(usable_cores()),
        "physical_cores": psutil.cpu_count(logical=False),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "gpus": [gpu.name for gpu in gpus()],
    }


def fingerprint() -> str:
    """Equal on equal hardware: records of two machines never share a run directory."""
    return digest(hardware())


def describe() -> dict[str, Any]:
    """The environment of a run: hardware, system, software, revision of the suite."""
    driver = with_driver(lambda pynvml: str(pynvml.nvmlSystemGetDriverVersion()), None)
    commit, unknown = git.describe(PROJECT_ROOT)
    return {
        **hardware(),
        "gpu_driver": driver,
        "os": platform.platform(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "packages": package_versions(),
        "revision": commit,
        **({"revision_unknown": unknown} if unknown else {}),  # a failed question is no answer
        "fingerprint": fingerprint(),
    }
