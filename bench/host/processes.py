"""Starting a cell's processes and ending every one of them, whatever session they moved to or parent they lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from bench.host.locations import PROJECT_ROOT

TOKEN = "TWINBENCH_CELL"  # every descendant inherits it: the one mark that survives setsid and a dead parent
MARK = "TWINBENCH_GUARDED"  # likewise, of one start of a cell: what its guardian goes by (bench/host/guardian.py)
POLL_SECONDS = 0.05
GRACE_SECONDS = 5.0  # for what ends itself in an orderly way
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KILL_SECONDS = 10.0  # after SIGKILL; only a process stuck in the kernel needs more


def with_our_code(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, some variables on top, in which a Python finds the project's code before any other.

    Whatever its working directory and its interpreter are.
    """
    search_path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, **(variables or {}), "PYTHONPATH": search_path}


def start(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str],
    folder: Path | None = None,
    own_session: bool = True,
) -> subprocess.Popen[bytes]:
    """Start a process whose output is appended to a log.

    Args:
        folder: its working directory; None: ours.
        own_session: else a terminal's Ctrl-C reaches it as well.

    Raises:
        OSError: there is no such program or folder.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=own_session,
        )


def family(token: str) -> list[psutil.Process]:
    """The living processes that carry a token: a cell's directory, or its guardian's mark."""
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # ended meanwhile, a zombie, or another user's
            environment = process.environ()
            carries = token in (environment.get(TOKEN), environment.get(MARK))
            if carries and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members


def stop(token: str, process: subprocess.Popen[bytes] | None = None, grace: float | None = None) -> list[int]:
    """End every process of a cell: SIGTERM, `grace` (GRACE_SECONDS) seconds, then SIGKILL until none is left.

    Returns:
        ids of processes that survived even that (stuck in the kernel); empty as a rule.
    """
    first = GRACE_SECONDS if grace is None else grace
    with interrupts_deferred():
        for sig, seconds in ((signal.SIGTERM, first), (signal.SIGKILL, KILL_SECONDS)):
            deadline = time.monotonic() + seconds
            told: set[int] = set()
            if process is not None and process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, sig)
            while True:
                if process is not None:
                    process.poll()  # reap it: a zombie child of ours is not a process left
                # looked at twice: a process that a dying one forks during the first look is not on its list
                members = family(token) or family(token)
                if not members:
                    return []
                # those that a member forked meanwhile are told too
                for member in members:
                    if member.pid not in told or sig == signal.SIGKILL:
                        told.add(member.pid)
                        with suppress(psutil.Error):
                            member.send_signal(sig)
                            member.send_signal(signal.SIGCONT)  # a stopped one would not hear of it
                if time.monotonic() > deadline:
                    break
                time.sleep(POLL_SECONDS)
    return [member.pid for member in members]


@contextmanager
def interrupts_deferred() -> Iterator[None]:
    """Finish clearing up before an interrupt is heard; where one is being cleared up after, another changes nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    is_ending = isinstance(sys.exception(), KeyboardInterrupt)
    before = {number: signal.signal(number, lambda number, frame: came.append(number)) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came and not is_ending:
        signal.raise_signal(came[0])


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM and a closed terminal end a run as Ctrl-C does: children stopped, finished cells kept."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in INTERRUPTS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_text(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"exit status {status}"
    with suppress(ValueError):
        name = signal.Signals(-status).name
        hint = " (out of memory, as a rule)" if -status == signal.SIGKILL else ""
        return f"killed by {name}{hint}"
    return f"killed by signal {-status}"


def log_tail(log: Path, limit_bytes: int = 8192) -> list[str]:
    """The last lines of a log, printable characters only, less those without a word; empty where there is no log."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - limit_bytes))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
        texts = ("".join(character for character in line if character.isprintable()).strip() for line in lines)
        return [text[:300] for text in texts if any(character.isalnum() for character in text)]
    return []


def failed_rank(lines: Sequence[str]) -> tuple[int, int] | None:
    """Rank and exit status of the first failure in the report that torchrun ends its output with; None without one.

    torchrun's own exit status is 1 whatever its workers' was.
    """
    report = "\n".join(lines).rpartition("Root Cause")[2]
    found = re.search(r"^rank\s*:\s*(\d+).*\n^exitcode\s*:\s*(-?\d+)", report, re.MULTILINE)
    return (int(found[1]), int(found[2])) if found else None
