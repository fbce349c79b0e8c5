"""A signal that comes when a command has done its work."""

from __future__ import annotations

import signal
import subprocess
import sys

from bench.host.locations import PROJECT_ROOT

LATE = "import atexit, os, signal; atexit.register(os.kill, os.getpid(), signal.SIGINT); from bench.cli import main; "


def test_a_late_interrupt_ends_the_process_without_a_word() -> None:
    done = subprocess.run([sys.executable, "-c", LATE + "main()", "list"], cwd=PROJECT_ROOT, capture_output=True)
    assert done.returncode == -signal.SIGINT
    assert b"effnet-b0" in done.stdout
    assert done.stderr == b""


def test_a_caller_that_hands_over_arguments_keeps_its_handler() -> None:
    """Only a process of our own is ended like that."""
    program = LATE + "\ntry: main(['list'])\nfinally: print(signal.getsignal(2) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "True"
