"""Making an environment: a virtual environment with one framework alone, and its lock.

It holds what the project requires, not the project: workers find the code of the checkout that runs them by PYTHONPATH,
so that an environment serves every revision with the same requirements. It is made under its final name, because a
virtual environment does not move, and its marker is written last: one without it is unfinished and made anew.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.host.environments import (
    READY,
    REQUIREMENTS_LOCK,
    Environment,
    clear,
    environments_directory,
    held,
    log_path,
    read,
)
from bench.host.environments.requirements import Requirements, normalised
from bench.host.files import write_atomically
from bench.host.guardian import Guarded
from bench.host.interpreters import inspect
from bench.host.processes import termination_as_interrupt
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS

Say = Callable[[str], None]

VENV = ("-m", "venv")
SIGN_OF_LIFE_SECONDS = 20.0  # between two lines while pip works
LAST_WORDS = 300
CUDA_LIBRARIES = "nvidia-cu"  # what distributions of CUDA libraries are called: nvidia-cublas, nvidia-cudnn-cu13, ...


def create(requirements: Requirements, python: str, say: Say, insist: bool = False) -> tuple[Environment, bool]:
    """Make an environment, unless it is there already and was made from the same requirements.

    Args:
        requirements: the framework, its version, what goes with it.
        python: the interpreter that it is made from.
        say: takes a line of progress.
        insist: on the build of the requirements, where an environment is there already.

    Returns:
        the environment, and whether it was made now.

    Raises:
        UserError: the interpreter cannot be used, another process makes it, one of the other build is there, or pip
            failed (its last line).
        KeyboardInterrupt: also of SIGTERM; no process and nothing unfinished is left.
    """
    base = inspect(python)
    name = requirements.name
    path = environments_directory() / name
    with held(name), termination_as_interrupt():
        there = read(path)
        if there is not None and insist and there.build != requirements.build:
            raise UserError(f"{name}: made with the other build, {there.build}; `bench env remove {name}` first")
        if there is not None and there.made_from == requirements.digest:
            return there, False
        if there is not None:
            say(f"{name}: made from other requirements than the present ones; it is made anew")
        elif path.exists():
            say(f"{name}: unfinished; it is made anew")
        clear(path)
        log_path(name).unlink(missing_ok=True)
        try:
            return install(requirements, base.path, path, say), True
        except BaseException:
            clear(path)
            raise


def install(requirements: Requirements, python: str, path: Path, say: Say) -> Environment:
    """The steps of `create`, in an empty place."""
    begin = time.monotonic()
    with Steps(log_path(path.name), say) as work:
        say(f"1/4 virtual environment {path.name} of Python {inspect(python).python_version}")
        work([python, *VENV, str(path)])
        pip = pip_of(path)
        get = [*pip, "install", "--progress-bar", "off", "-c", str(constraints := path / "constraints.txt")]
        say(f"2/4 {requirements.first} (minutes)")
        write_atomically(constraints, lines(requirements.constraints() if requirements.is_pinned_version else []))
        work([*get, requirements.first])
        say("3/4 what the project needs beside it (minutes)")
        write_atomically(constraints, lines(requirements.constraints(frozen(pip))))
        work([*get, *requirements.base, *requirements.extra])
        say("4/4 check and lock")
        work([*pip, "check"])
    installed = frozen(pip)
    made = Environment(
        name=path.name,
        framework=requirements.framework,
        version=version_in(installed, FRAMEWORKS[requirements.framework].module),
        python_version=inspect(python).python_version,
        build="cuda" if any(normalised(line).startswith(CUDA_LIBRARIES) for line in installed) else "cpu",
        pinned=requirements.is_pinned_version,
        seconds=round(time.monotonic() - begin, 1),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        made_from=requirements.digest,
    )
    head = (
        f"# {made.name}: pip list --format=freeze, Python {made.python_version}, {made.build} build, {made.created}\n"
    )
    write_atomically(path / REQUIREMENTS_LOCK, head + lines(installed))
    write_atomically(path / READY, made.to_json())
    return made


class Steps:
    """Runs commands, their output to the log, a sign of life now and then.

    When the context is left, no process that they started is left either: pip starts others, and none of them ends with
    the one that started it. Where we are killed ourselves, a guardian ends them.
    """

    def __init__(self, log: Path, say: Say) -> None:
        self.log, self.say = log, say
        self.guarded = Guarded({name: value for name, value in os.environ.items() if not name.startswith("PYTHON")})

    def __enter__(self) -> Steps:
        """The steps."""
        return self

    def __exit__(self, *raised: object) -> None:
        """End what is left of them."""
        self.guarded.close()

    def __call__(self, command: Sequence[str]) -> None:
        """Run it to its end.

        Raises:
            UserError: it failed: the line in which it says why.
        """
        begin, shown = time.monotonic(), ""
        process = self.guarded.start(command, self.log, own_session=False)
        try:
            while True:
                try:
                    status = process.wait(timeout=SIGN_OF_LIFE_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    last = (self.words() or [""])[-1]
                    if last != shown:
                        self.say(f"    {time.monotonic() - begin:.0f} s: {last[:100]}")
                    shown = last
        finally:
            if process.poll() is None:  # we were interrupted: so was it, or it is told now
                self.guarded.end()
                process.poll()  # reaps it
        if status != 0:
            said = self.words()
            errors = [line for line in said if line.startswith("ERROR:")] or said
            why = errors[-1][:LAST_WORDS] if errors else f"exit status {status}"
            raise UserError(f"{self.log.stem} could not be made: {why} (log: {self.log})")

    def words(self) -> list[str]:
        """The lines of the log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]


def pip_of(path: Path) -> list[str]:
    """An environment's pip; isolated: what the user's PYTHONPATH or home holds is not in this environment."""
    return [str(path / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check", "--no-input"]


def frozen(pip: Sequence[str]) -> list[str]:
    """`name==version` of everything installed, pip's own tools left out; no path and no host is in it."""
    done = subprocess.run([*pip, "list", "--format=freeze"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if "==" in line and not line.startswith("pip==")]


def version_in(installed: Sequence[str], name: str) -> str:
    """The version of a distribution in such a list."""
    return next(line.partition("==")[2] for line in installed if line.partition("==")[0] == name)


def lines(content: Sequence[str]) -> str:
    """As a file's text."""
    return "".join(f"{line}\n" for line in content)
