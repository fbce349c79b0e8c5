"""What a guardian does when its harness is gone, and that it costs nothing until then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.host import processes
from bench.host.guardian import Guarded, Guardian
from bench.host.locations import PROJECT_ROOT
from bench.host.processes import MARK, TOKEN, family, stop

IsAlive = Callable[[int], bool]
# A harness: starts a guarded cell of one process that ignores SIGTERM, says all three ids, and waits.
HARNESS = """
import os, sys, time
from pathlib import Path
from bench.host import processes
from bench.host.guardian import Guarded

processes.GRACE_SECONDS = 0.3
directory = Path(sys.argv[1])
guarded = Guarded(os.environ, token=str(directory))
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True)"
process = guarded.start([sys.executable, "-c", f"{stubborn}; time.sleep(300)"], directory / "log.txt", directory)
while "ready" not in (directory / "log.txt").read_text():
    time.sleep(0.01)
print(guarded.guardian.pid, process.pid, flush=True)
if sys.argv[2] == "orderly":
    guarded.close()
    print("dismissed", flush=True)
time.sleep(300)
"""


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


class Harness:
    """A harness as a process of its own."""

    def __init__(self, directory: Path, end: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARNESS, str(directory), end],
            env=os.environ | {"PYTHONPATH": str(PROJECT_ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.guardian, self.cell = map(int, self.line().split())

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Callable[[str], Harness]]:
    started: list[Harness] = []

    def start(end: str = "never") -> Harness:
        started.append(Harness(tmp_path / f"cell-{len(started)}", end))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
        stop(str(each.directory), grace=0.1)


def test_what_a_killed_harness_leaves_is_ended(harness: Callable[..., Harness], is_alive: IsAlive) -> None:
    killed, other = harness(), harness()
    killed.process.kill()
    killed.process.wait()
    assert wait_until(lambda: not is_alive(killed.cell))
    assert wait_until(lambda: not is_alive(killed.guardian))
    assert is_alive(other.cell), "another harness's cell"
    assert is_alive(other.guardian)


def test_who_reads_a_killed_harness_does_not_wait_for_its_guardian(harness: Callable[..., Harness]) -> None:
    killed = harness()
    os.kill(killed.guardian, signal.SIGSTOP)
    try:
        killed.process.kill()
        assert killed.process.communicate(timeout=60)[0] == ""
    finally:
        os.kill(killed.guardian, signal.SIGCONT)


def test_a_dismissed_guardian_is_gone_and_reaped(harness: Callable[..., Harness]) -> None:
    orderly = harness("orderly")
    assert orderly.line() == "dismissed\n"
    assert not psutil.pid_exists(orderly.guardian)
    assert orderly.process.poll() is None


def test_ctrl_c_and_sigterm_are_not_its_business(harness: Callable[..., Harness], is_alive: IsAlive) -> None:
    running = harness()
    assert os.getsid(running.guardian) == running.guardian, "a terminal's Ctrl-C would reach it"
    waiting = psutil.Process(running.guardian)
    assert wait_until(lambda: waiting.status() == psutil.STATUS_SLEEPING and ignores(running.guardian, signal.SIGTERM))
    for number in processes.INTERRUPTS:
        os.kill(running.guardian, number)
    time.sleep(0.2)
    assert is_alive(running.guardian)
    assert is_alive(running.cell)


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process ignores a signal (Linux)."""
    [mask] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn:")]
    return bool(int(mask.split()[1], 16) >> (number - 1) & 1)


def test_it_costs_nothing_while_it_waits(harness: Callable[..., Harness]) -> None:
    running = harness()
    waiting = psutil.Process(running.guardian)

    def is_quiet() -> bool:
        """Whether it is not run once in half a second; one that looked now and then would be."""
        before, switches = waiting.cpu_times(), waiting.num_ctx_switches()
        time.sleep(0.5)
        return waiting.cpu_times()[:2] == before[:2] and waiting.num_ctx_switches() == switches

    assert wait_until(lambda: ignores(running.guardian, signal.SIGTERM))
    assert wait_until(is_quiet)  # it may still be on its way to the read that it sleeps in


def test_it_is_no_member_of_any_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A harness that is itself part of a cell (a gate's run) has a guardian that outlives that cell's stop."""
    monkeypatch.setenv(TOKEN, str(tmp_path))
    monkeypatch.setenv(MARK, "outer")
    guardian = Guardian()
    try:
        carried = psutil.Process(guardian.pid).environ()
        assert TOKEN not in carried
        assert MARK not in carried
        assert guardian.variable[MARK] != "outer"
        assert guardian.pid not in [member.pid for mark in (str(tmp_path), "outer") for member in family(mark)]
    finally:
        guardian.dismiss()
        guardian.dismiss()  # nothing more
    assert not psutil.pid_exists(guardian.pid)


def test_what_is_guarded_ends_with_its_context(is_alive: IsAlive, tmp_path: Path) -> None:
    """Without a token too, and what moved to a session of its own."""
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    with pytest.raises(ValueError, match="of the context"), Guarded(os.environ) as guarded:
        apart = guarded.start(sleep, tmp_path / "log.txt")
        own = guarded.start(sleep, tmp_path / "log.txt", tmp_path, own_session=False)
        assert os.getsid(apart.pid) == apart.pid
        assert os.getsid(own.pid) == os.getsid(0)
        raise ValueError("of the context")
    assert (apart.wait(60), own.wait(60)) == (-signal.SIGTERM, -signal.SIGTERM)
    assert guarded.survivors == []
    assert not is_alive(guarded.guardian.pid)


def test_a_guardian_stays_where_the_end_is_broken_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken_off(*arguments: object) -> list[int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(processes, "stop", broken_off)
        with Guarded(os.environ, token=str(tmp_path)) as guarded:
            pass
    assert psutil.pid_exists(guarded.guardian.pid)
    guarded.close()
    assert not psutil.pid_exists(guarded.guardian.pid)


def test_a_guardian_leaves_a_resumed_cell_alone(
    harness: Callable[..., Harness], is_alive: IsAlive, tmp_path: Path
) -> None:
    """The same directory, started anew while the guardian of the first start is still at work."""
    killed = harness()
    os.kill(killed.guardian, signal.SIGSTOP)
    killed.process.kill()
    killed.process.wait()
    stop(str(killed.directory), grace=0.1)  # as a resumed run does first
    command = [sys.executable, "-c", "import time; time.sleep(300)"]
    resumed = processes.start(command, tmp_path / "log.txt", os.environ | {TOKEN: str(killed.directory)})
    os.kill(killed.guardian, signal.SIGCONT)
    assert wait_until(lambda: not is_alive(killed.guardian))
    assert is_alive(resumed.pid)
    assert stop(str(killed.directory), resumed, grace=1.0) == []
