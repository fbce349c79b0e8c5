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

from bench.host import processes
from bench.host.locations import PROJECT_ROOT


class Guardian:
    """The harness's side: make one before a cell's first process, dismiss it when `processes.stop` has ended them all.

    Where that stop is itself broken off, leave it: it acts when the harness is gone.
    """

    def __init__(self) -> None:
        mark = os.urandom(16).hex()
        self.variable = {processes.MARK: mark}  # the environment of whatever shall not outlive the harness
        inherited = {name: value for name, value in os.environ.items() if name not in (processes.TOKEN, processes.MARK)}
        search_path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.host.guardian", mark, str(processes.GRACE_SECONDS)],
            cwd="/",  # holds no directory
            env=inherited | {"PYTHONPATH": search_path},
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
