"""What a Python interpreter has that wings could be run with, found without importing a framework.

A column of a run is a framework, or a framework in a version: `pt`, `pt@2.13`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

PROVEN = tuple(name for each in FRAMEWORKS.values() for name in each.proven)  # decide what the wings compute
OLDEST_PYTHON = (3, 11)
TIMEOUT_SECONDS = 60.0  # an interpreter on a cold network disk may take long
LAST_WORDS = 200

# prints what `Interpreter` holds; of this language's oldest kind, so that an old interpreter can say how old it is
PROGRAM = """
import json, platform, sys
def installed(name):
    try:
        from importlib.metadata import PackageNotFoundError, version
        return version(name)
    except Exception:
        return None
print(json.dumps([platform.python_version(), {name: installed(name) for name in sys.argv[1:]}]))
"""


@dataclass(frozen=True)
class Interpreter:
    """A Python that workers could be started with."""

    path: str  # absolute, links not followed: a virtual environment's Python is a link out of it
    python_version: str
    versions: dict[str, str | None]  # distribution to version; None: not installed


@dataclass(frozen=True)
class Column:
    """A side of a comparison: a framework, in a version where one was asked for."""

    framework: str
    version: str | None = None  # as typed: "2.13"

    @property
    def name(self) -> str:
        """As it is typed, and as records and cell ids have it."""
        return self.framework if self.version is None else f"{self.framework}@{self.version}"


def column_of(name: str) -> Column:
    """The column of a name.

    >>> column_of("pt@2.13")
    Column(framework='pt', version='2.13')

    Raises:
        ValueError: no such framework, or no version after the "@".
    """
    framework, at, version = name.partition("@")
    if framework not in FRAMEWORKS:
        raise ValueError(
            f"{name!r} is none of {', '.join(map(repr, FRAMEWORKS))}, 'both', or one in a version: pt@2.13"
        )
    if at and not re.fullmatch(r"\d+(\.\d+)*[a-z0-9.+]*", version):
        raise ValueError(f"{name!r}: {version!r} is no version; write for example {framework}@2.13")
    return Column(framework, version or None)


def fits(asked: str, installed: str) -> bool:
    """Whether an installed version is one of those asked for: 2.13 is every 2.13.x, 2.13.0 that one of any build.

    >>> fits("2.13", "2.13.1+cpu"), fits("2.1", "2.13.0"), fits("2.13.0rc1", "2.13.0")
    (True, False, False)
    """
    from packaging.version import InvalidVersion, Version

    try:
        wanted, there = Version(asked), Version(installed)
    except InvalidVersion:
        return asked == installed
    if wanted.is_prerelease or wanted.local:
        return wanted == there
    return there.release[: len(wanted.release)] == wanted.release


def inspect(python: str) -> Interpreter:
    """What an interpreter is and has; asked once per process.

    Args:
        python: a path, or a name that is looked up on the PATH.

    Raises:
        UserError: it does not exist, is no Python, does not answer, or is too old for the workers.
    """
    found = shutil.which(python) or python
    return _inspect(os.path.abspath(found), python)  # noqa: PTH100  # Path.resolve would follow the link out


@cache
def _inspect(path: str, named: str) -> Interpreter:
    if Path(path).is_dir():
        raise UserError(f"{named}: a folder; name the interpreter in it, as {Path(named) / 'bin' / 'python'}")
    try:
        done = subprocess.run(
            [path, "-c", PROGRAM, *PROVEN], capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise UserError(f"{named}: no such interpreter; name a Python, as a virtual environment's bin/python") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{named}: no answer within {TIMEOUT_SECONDS:.0f} s; is it a Python?") from None
    except OSError as error:
        raise UserError(f"{named}: cannot be started ({error.strerror}); name a Python") from None
    try:
        python_version, versions = json.loads(done.stdout)
        release = tuple(int(part) for part in re.findall(r"\d+", python_version)[:2])
    except (ValueError, TypeError):
        words = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise UserError(f"{named}: not a Python that answers ({words[:LAST_WORDS]})") from None
    if release < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise UserError(f"{named}: Python {python_version}; the workers need {oldest} or newer: name another")
    return Interpreter(path, python_version, versions)


def versions_of(python: str | None) -> dict[str, str | None]:
    """Versions of the distributions that decide what the wings compute (PROVEN); None: this interpreter's.

    Raises:
        UserError: as `inspect`.
    """
    if python is not None and python != sys.executable:
        return inspect(python).versions
    from importlib.metadata import PackageNotFoundError, version

    def installed(package: str) -> str | None:
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {package: installed(package) for package in PROVEN}


def check_has(python: str, column: Column) -> Interpreter:
    """An interpreter that was named for a column, if it can run it.

    Raises:
        UserError: as `inspect`, or it lacks the framework, or has another version than the column's.
    """
    found = inspect(python)
    framework = FRAMEWORKS[column.framework]
    version = found.versions[framework.module]
    if version is None:
        raise UserError(
            f"{python}: {framework.title} is not installed there; name another, or `bench env create {framework.key}`"
        )
    if column.version is not None and not fits(column.version, version):
        raise UserError(f"{python}: has {framework.module} {version}, not the {column.version} of {column.name}")
    return found


def check_finds_code(python: str | None, what: str) -> None:
    """Whether workers that are started with an interpreter find the project's code, and nothing else with it.

    They are given its folder by PYTHONPATH. That of an installed package is the site-packages of this interpreter:
    its frameworks would come before those of another one.

    Args:
        python: the interpreter; None: this one.
        what: runs with it, for the user.

    Raises:
        UserError: another interpreter than this one, and no checkout.
    """
    if python not in (None, sys.executable) and not (PROJECT_ROOT / "pyproject.toml").is_file():
        raise UserError(
            f"{what}: an interpreter of its own needs a checkout of the project (git clone), not an installed package"
        )
