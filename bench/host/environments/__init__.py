"""The virtual environments that `bench env` made, one per framework and version: which there are, taking one away."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.host import locks
from bench.host.environments.requirements import normalised_version, read_pins
from bench.host.interpreters import fits
from bench.host.locations import PROJECT_ROOT, results_directory
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS
from shared.outside import OutsideError, read_json

READY = ".ready"  # written last: an environment without it is unfinished
REQUIREMENTS_LOCK = "requirements.lock"
ENVIRONMENT_SCHEMA = 1


@dataclass(frozen=True)
class Environment:
    """A finished environment."""

    name: str  # "pt-2.13.0"
    framework: str
    version: str  # of torch or tensorflow, as installed: "2.13.0+cpu"
    python_version: str
    build: str  # "cpu", or "cuda" where it brought CUDA libraries
    pinned: bool  # whether the version is that of constraints.txt: then it is the framework's own environment
    seconds: float  # that making it took
    created: str  # UTC, ISO 8601
    schema: int = ENVIRONMENT_SCHEMA
    made_from: str | None = None  # digest of its requirements; None: not known, made before it was kept

    @property
    def path(self) -> Path:
        """Its folder; it does not move."""
        return environments_directory() / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.path / "bin" / "python")

    def to_json(self) -> str:
        """What the marker holds."""
        return json.dumps(asdict(self), indent=1) + "\n"


MARKER = TypeAdapter(Environment)
VERSION = re.compile(r"\d+(\.\d+)*[A-Za-z0-9.]*(\+[A-Za-z0-9.]+)?")  # as pip has it


def environments_directory() -> Path:
    """Where they lie."""
    return results_directory() / "environments"


def pinned_name(framework: str) -> str | None:
    """The name of the environment in the version of constraints.txt; None where there is no checkout that has one."""
    try:
        version = read_pins(PROJECT_ROOT)[FRAMEWORKS[framework].module]
    except (OSError, KeyError):
        return None
    return f"{framework}-{normalised_version(version)}"


def read(path: Path) -> Environment | None:
    """The environment in a folder; None where it is unfinished, or made by another version of the suite.

    Whether it is pinned is told from the constraints.txt of now, which may have moved on since it was made.
    """
    try:
        found = MARKER.validate_python(read_json(path / READY))
    except (OutsideError, ValidationError):
        return None
    # the name says where its interpreter lies: another one than the folder's would be a program of somewhere else
    if found.schema != ENVIRONMENT_SCHEMA or found.name != path.name or found.framework not in FRAMEWORKS:
        return None
    if VERSION.fullmatch(found.version) is None or not Path(found.python).exists():
        return None
    pinned = pinned_name(found.framework)
    return found if pinned is None else replace(found, pinned=found.name == pinned)


def environments(framework: str | None = None, version: str | None = None) -> list[Environment]:
    """The finished environments of a framework (None: all) that fit a version (None: any), newest version first."""
    from packaging.version import Version

    found = [made for path in sorted(environments_directory().glob("*")) if (made := read(path)) is not None]
    chosen = [
        made
        for made in found
        if framework in (None, made.framework) and (version is None or fits(version, made.version))
    ]
    return sorted(chosen, key=lambda made: (Version(made.version), made.name), reverse=True)


def remove(name: str) -> None:
    """Take an environment away, finished or not, with its log.

    Raises:
        UserError: no such environment, or one that is being made.
    """
    path = environments_directory() / name
    known = sorted(each.name for each in environments_directory().glob("*") if each.is_dir())
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none"
        raise UserError(f"{name}: no environment of that name; {there}")
    with held(name):
        clear(path)
        log_path(name).unlink(missing_ok=True)


def clear(path: Path) -> None:
    """Remove an environment's folder; its marker first, so that a half-removed one is unfinished."""
    (path / READY).unlink(missing_ok=True)
    if path.exists():
        shutil.rmtree(path)


def log_path(name: str) -> Path:
    """What pip said; beside the environment, so that it is there where making it failed."""
    return environments_directory() / f"{name}.log"


@contextmanager
def held(name: str) -> Iterator[None]:
    """Hold an environment's name; the kernel gives it back when this process ends, however it ends.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    lock = environments_directory() / f".{name}.lock"
    with locks.held(lock, f"{name}: another `bench env` is at work on it; wait for it"):
        yield
