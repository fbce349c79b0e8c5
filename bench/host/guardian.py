"""Ends what a harness started and can no longer end: `kill -9`, the kernel short of memory, a crash of the interpreter.

A guardian is a small process beside the cell's own. It sleeps in the read of a pipe whose other end the harness holds;
when the harness is gone, however it went, the kernel closes that end, and the guardian ends the cell's processes and
leaves. It knows them by a mark of its own, not by the cell's directory: a resumed run uses the directory anew, maybe
while this guardian is still at work.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.host import processes


class Guardian:
    """The harness's side: make one before a cell's first process, dismiss it when `processes.stop` has ended them all.

    Where that stop is itself broken off, leave it: it acts when the harness is gone.
    """

    def __init__(self) -> None:
        mark = os.urandom(16).hex()
        self.variable = {processes.MARK: mark}  # the environment of whatever shall not outlive the harness
        environment = processes.with_our_code()
        for name in (processes.TOKEN, processes.MARK):  # of what the harness itself is a part of
            environment.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.host.guardian", mark, str(processes.GRACE_SECONDS)],
            cwd="/",  # holds no directory
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # or who reads the harness's output would wait for the guardian as well
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the harness's business
        )

    @property
    def pid(self) -> int:
        """Id of its process."""
        return self._process.pid

    def dismiss(self) -> None:
        """Let it go, its duty done; it is reaped. May be called twice."""
        self._process.kill()
        self._process.communicate()


class Guarded:
    """Processes that end with a context; where the harness is gone before its end, a guardian ends them.

    At the end of the context every process is ended that was started here, or by one that was, whatever session it
    moved to; then the guardian is dismissed. Where that end is itself broken off, the guardian stays: it has still
    something to do.
    """

    def __init__(self, environment: Mapping[str, str], token: str | None = None) -> None:
        """
        Args:
            environment: of the processes, unless a start names another one.
            token: of a cell, or what is like one: the name by which others find its processes too (`processes.TOKEN`);
                one process is started, and its process group is told to end with it.
        """
        self.environment, self.token = environment, token
        self.guardian = Guardian()
        self.survivors: list[int] = []  # ids of processes that could not be ended, known when the context is left
        self._first: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        log: Path,
        folder: Path | None = None,
        own_session: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """As `processes.start`, guarded.

        Args:
            environment: in place of the context's.
        """
        chosen = {**(self.environment if environment is None else environment), **self.guardian.variable}
        if self.token is None:
            return processes.start(command, log, chosen, folder, own_session)
        self._first = processes.start(command, log, {**chosen, processes.TOKEN: self.token}, folder, own_session)
        return self._first

    def end(self, grace: float | None = None) -> list[int]:
        """End every process, as `processes.stop`; more may be started afterwards.

        Returns:
            ids of processes that survived even that.
        """
        mark = self.guardian.variable[processes.MARK] if self.token is None else self.token
        return processes.stop(mark, self._first, grace)

    def close(self) -> None:
        """End every process, then dismiss the guardian; not where the end was broken off."""
        self.survivors = self.end()
        self.guardian.dismiss()

    def __enter__(self) -> Guarded:
        """Nothing is started yet."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Whatever happened, no process is left."""
        self.close()


def guard(mark: str, grace: float) -> None:
    """Wait for the harness's end, then end every process that carries the mark."""
    for number in processes.INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)  # it leaves when the harness does, not before
    sys.stdin.buffer.read()
    processes.stop(mark, grace=grace)
    # one that the harness had just forked when it died carries its mark only from its exec on
    time.sleep(processes.POLL_SECONDS)
    processes.stop(mark, grace=grace)


if __name__ == "__main__":
    guard(sys.argv[1], float(sys.argv[2]))
