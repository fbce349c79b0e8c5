"""Signals to a real `bench run`: children end, finished cells stay, the run can be resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.host.locations import PROJECT_ROOT
from bench.host.processes import family, stop
from bench.records.record import read_records

HANGING = "tiny-pt-matched-r2-fp32-disk-0"  # the third of four cells


class Run:
    """A `bench run` that hangs in its third cell, as a process of its own."""

    def __init__(self, store: Path, workload: Path, out: Path) -> None:
        self.out = out
        self.cell = out / "cells" / HANGING
        self.script = [sys.executable, "-m", "tests.bench.fake_bench"]
        self.environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
        options = ["--workload", workload, "--data", store, "--device", "cpu", "--out", out]
        self.process = self.start({HANGING: "hang"}, "run", "--no-figures", *map(str, options))

    def start(self, behaviours: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.script, *arguments],
            env={**self.environment, "FAKE_WORKER": json.dumps(behaviours)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_it_hangs(self) -> int:
        """Id of the hanging cell's stubborn grandchild."""
        path = self.cell / "grandchild.pid"
        deadline = time.monotonic() + 60
        while not (path.exists() and path.read_text()):
            assert time.monotonic() < deadline
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        return int(path.read_text())

    def resume(self) -> tuple[int, str]:
        process = self.start({}, "run", "--resume", str(self.out), "--no-figures")
        _, err = process.communicate(timeout=120)
        return process.returncode, err


@pytest.fixture
def run(store: Path, workload_file: Path, tmp_path: Path) -> Iterator[Run]:
    started = Run(store, workload_file, tmp_path / "out")
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate()
    stop(str(started.cell), grace=0.1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_its_children_and_can_be_resumed(
    run: Run, is_alive: Callable[[int], bool], number: signal.Signals
) -> None:
    grandchild = run.wait_until_it_hangs()
    run.process.send_signal(number)
    _, err = run.process.communicate(timeout=60)
    assert run.process.returncode == 130
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last == f"bench: interrupted; 2 of 4 cells are finished; continue with `bench run --resume {run.out}`"
    assert not is_alive(grandchild)
    assert family(str(run.cell)) == []
    before = {record.cell_id: record for record in read_records([run.out])}
    assert len(before) == 2

    code, err = run.resume()
    assert code == 0, err
    after = {record.cell_id: record for record in read_records([run.out])}
    assert len(after) == 4
    assert all(after[cell_id] == record for cell_id, record in before.items())


def test_a_second_interrupt_does_not_break_off_the_clearing_up(run: Run, is_alive: Callable[[int], bool]) -> None:
    grandchild = run.wait_until_it_hangs()
    run.process.send_signal(signal.SIGINT)
    time.sleep(0.5)  # the grandchild ignores SIGTERM: the first is still at it
    run.process.send_signal(signal.SIGINT)
    run.process.communicate(timeout=60)
    assert run.process.returncode == 130
    assert not is_alive(grandchild)


def test_a_killed_run_leaves_nothing_behind(run: Run, is_alive: Callable[[int], bool]) -> None:
    grandchild = run.wait_until_it_hangs()
    run.process.kill()
    run.process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    while is_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(grandchild)
    assert family(str(run.cell)) == []


def test_a_killed_run_releases_its_directory_and_resuming_ends_what_a_killed_guardian_left(
    run: Run, is_alive: Callable[[int], bool]
) -> None:
    grandchild = run.wait_until_it_hangs()
    for child in psutil.Process(run.process.pid).children():
        if "bench.host.guardian" in child.cmdline():
            child.kill()
    run.process.kill()
    run.process.communicate(timeout=60)
    assert is_alive(grandchild)
    code, err = run.resume()
    assert code == 0, err
    assert not is_alive(grandchild)
    assert {record.status for record in read_records([run.out])} == {"ok"}
