"""The two sides of a gate: code, interpreter, and what its `bench run` understands. Driven by command line alone."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gate.code import check_code
from bench.gate.revisions import Revision
from bench.host.environments.choice import wing_pythons
from bench.host.guardian import Guarded
from bench.host.interpreters import Column, check_has
from bench.host.processes import log_tail
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

HELP_SECONDS = 120.0
READY = ".gate-ready"  # written last: an environment without it is unfinished
UNMEASURED = ("dev", "report")  # extras that no measured process imports

Say = Callable[[str], None]


@dataclass(frozen=True)
class Side:
    """One of the two."""

    name: str  # "base" or "head"
    revision: Revision
    tree: Path
    python: str  # runs the harness
    named: str | None  # the interpreter that --base-python or --head-python names for the workers
    workers: Mapping[str, str | None]  # framework to the interpreter of its workers; None: the harness's
    options: frozenset[str]  # that its `bench run` has
    results: Path  # what its runs share: stores

    @property
    def label(self) -> str:
        """For people."""
        return self.revision.label if self.named is None else f"{self.revision.label} on {self.named}"

    def environment(self) -> dict[str, str]:
        """The environment of its `bench run`."""
        return environment(self.tree, self.results)


def environment(tree: Path, results: Path) -> dict[str, str]:
    """The environment of a `bench run`: a revision's own code before any that is installed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "TWINBENCH_"))}
    return inherited | {"PYTHONPATH": str(tree), "TWINBENCH_RESULTS": str(results)}


def make_side(
    name: str, revision: Revision, tree: Path, python: str, named: str | None, frameworks: Sequence[str], results: Path
) -> Side:
    """A side that was tried: its `bench run` answers, its code is its own, its workers' interpreter has the frameworks.

    Raises:
        UserError: not so; with what it said last.
    """
    option = f"--{name}-python"
    workers: dict[str, str | None] = {}
    if named is not None:
        try:
            workers = {framework: check_has(named, Column(framework)).path for framework in frameworks}
        except UserError as error:
            raise UserError(f"{option} {error}") from None
    options = frozenset(re.findall(r"--[a-z][a-z-]*", _help_of(name, revision, tree, python, results)))
    can_choose = {FRAMEWORKS[framework].python_option for framework in frameworks} <= options
    if named is not None and not can_choose:
        lacks = FRAMEWORKS[frameworks[0]].python_option
        raise UserError(f"{option}: the `bench run` of {revision.label} has no {lacks}; it is too old")
    if named is None and can_choose and python == sys.executable:
        workers = wing_pythons()  # what `bench env` made; the sides' own results folder does not have it
    used = {framework: workers.get(framework) for framework in frameworks}
    check_code(f"--{name} {revision.name}", tree, python, used, environment(tree, results))
    return Side(name, revision, tree, python, named, workers, options, results)


def _help_of(name: str, revision: Revision, tree: Path, python: str, results: Path) -> str:
    """What `bench run --help` says.

    Raises:
        UserError: it does not run.
    """
    told = f"--{name} {revision.name}: its `bench run` does not start"
    try:
        done = subprocess.run(
            [python, "-m", "bench", "run", "--help"], cwd=tree, env=environment(tree, results), capture_output=True,
            text=True, errors="replace", timeout=HELP_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(f"{told} ({error})") from None
    if done.returncode:
        words = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise UserError(f"{told}: {words}")
    return done.stdout


def dependencies(tree: Path) -> str:
    """Digest of what a revision asks to be installed to be measured, and of this Python.

    Raises:
        UserError: its pyproject.toml cannot be read.
    """
    path = tree / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        extras = {
            name: each for name, each in project.get("optional-dependencies", {}).items() if name not in UNMEASURED
        }
        asked = [project.get("dependencies", []), extras]
    except FileNotFoundError:
        asked = []
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{tree.name}: its pyproject.toml cannot be read ({error})") from None
    pins = tree / "constraints.txt"
    text = pins.read_text(encoding="utf-8") if pins.is_file() else ""
    return hashlib.sha256(repr((asked, text, sys.version)).encode()).hexdigest()[:16]


def pythons(trees: Sequence[Path], folder: Path, say: Say) -> list[str]:
    """The interpreter of each side: this one where both ask for the same packages, else one of their own each.

    Raises:
        UserError: an environment could not be made.
    """
    digests = [dependencies(tree) for tree in trees]
    if len(set(digests)) == 1:
        return [sys.executable for _ in trees]
    say("the revisions ask for different packages: each gets an environment of its own (minutes; kept)")
    return [_environment(tree, folder / "environments" / digest, say) for tree, digest in zip(trees, digests,
                                                                                              strict=True)]  # fmt: skip


def _environment(tree: Path, path: Path, say: Say) -> str:
    """The interpreter of an environment that the revision's own `make setup` makes.

    Raises:
        UserError: it failed; with what it said last.
    """
    python = path / "bin" / "python"
    if (path / READY).exists() and python.exists():
        return str(python)
    shutil.rmtree(path, ignore_errors=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = path.with_suffix(".log")
    say(f"make setup VENV={path} (log: {log})")
    command = ["make", "--no-print-directory", "setup", f"VENV={path}", f"PYTHON={sys.executable}"]
    log.unlink(missing_ok=True)
    with Guarded(os.environ) as guarded:  # the shells and pips that make starts do not end with it
        try:
            status = guarded.start(command, log, tree, own_session=False).wait()
        except FileNotFoundError:
            raise UserError("make is not installed: `bench gate` sets up a revision's environment with it") from None
    if status or not python.exists():
        last = (log_tail(log) or [f"exit status {status}"])[-1]
        raise UserError(f"{tree.name}: `make setup` of this revision failed: {last} (log: {log})")
    (path / READY).touch()
    return str(python)
