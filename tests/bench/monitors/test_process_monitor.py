"""A process tree's CPU and memory, the window between two snapshots, and what watching costs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.cells.launch import Limits, Outcome, run_cell
from bench.cells.summary import make_record
from bench.monitors import monitor as monitor_module
from bench.monitors import processes as monitored
from bench.monitors.monitor import Monitor, Snapshot, between
from bench.monitors.processes import MachineTimes, Tree, machine_times
from bench.records.usage import Usage
from shared.protocol import Cell
from tests.bench.doctor import fake_host
from tests.bench.monitors.fake_nvml import H200, FakeNvml
from tests.bench.record_maker import CONTEXT

# starts a child that burns CPU for a while and is waited for, then says so and sleeps
BURN = "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\n"
PARENT = (
    "import subprocess, sys, time\n"
    "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)\n"
    "print('over', flush=True)\n"
    "time.sleep(60)\n"
)
HOLD = "import sys, time\nblock = bytearray(64 << 20)\nprint('held', flush=True)\ntime.sleep(60)\n"


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([sys.executable, "-c", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Clock:
    """Time that passes where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_of_a_child_that_has_ended_is_its_parents() -> None:
    with running(PARENT, BURN.format(seconds=0.4)) as process:
        tree = Tree(process.pid)
        assert process.stdout is not None and process.stdout.readline() == "over\n"
        tree.look()
        # the child's 0.4 s, and two starts of the interpreter
        assert tree.cpu_seconds >= 0.4


def test_the_time_of_a_tree_that_has_ended_is_all_that_was_waited_for() -> None:
    process = subprocess.Popen([sys.executable, "-c", BURN.format(seconds=0.3)])
    tree = Tree(process.pid)
    process.wait()
    assert tree.look() == 0
    assert tree.cpu_seconds >= 0.3
    before = tree.cpu_seconds
    tree.find()
    tree.look()
    assert (tree.members, tree.cpu_seconds) == ({}, before)


def test_memory_is_summed_over_the_tree() -> None:
    with running(HOLD) as process:
        tree = Tree(process.pid)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        resident = tree.look()
        assert resident > 64 << 20
        proportional = tree.proportional()
        assert proportional is None or 60 << 20 < proportional <= resident


def test_a_process_that_is_none_of_the_trees_is_not_in_it() -> None:
    with running(HOLD) as one, running(HOLD) as other:
        tree = Tree(one.pid)
        tree.find()
        assert one.pid in tree.members
        assert other.pid not in tree.members
        assert os.getpid() not in tree.members


def test_the_machines_times_only_grow() -> None:
    first = machine_times()
    time.sleep(0.05)
    second = machine_times()
    assert second.busy >= first.busy > 0
    assert second.stolen >= first.stolen >= 0


def test_what_others_used_is_the_rest() -> None:
    first = Snapshot(10.0, 5.0, 1.0, MachineTimes(100.0, 3.0))
    last = Snapshot(20.0, 20.0, 1.25, MachineTimes(123.25, 4.0))
    figures = between(first, last, [])
    assert figures == {
        "window_seconds": 10.0,
        "cpu_seconds": 15.0,
        "cores_used": 1.5,
        "other_cores": pytest.approx(0.8),  # 23.25 s busy, less 15 of the cell and 0.25 of the harness
        "stolen_cores": pytest.approx(0.1),
    }


@pytest.mark.parametrize(
    ("machine", "note"),
    [(None, "does not tell how busy"), (MachineTimes(100.0, 3.0), "does not count its cores' busy time")],
)
def test_a_system_that_does_not_count_gives_no_figure_of_others(machine: MachineTimes | None, note: str) -> None:
    notes: list[str] = []
    figures = between(Snapshot(10.0, 5.0, 1.0, MachineTimes(100.0, 3.0)), Snapshot(20.0, 20.0, 1.0, machine), notes)
    assert figures["cores_used"] == 1.5
    assert "other_cores" not in figures
    assert note in notes[0]


def played(phases: list[tuple[float, str]], driver: Any = None, selectors: tuple[str, ...] = ()) -> Usage:
    """A monitor of this process's child that is told phases at moments of a fake clock."""
    clock = Clock()
    with running(HOLD) as process:
        monitor = Monitor(process.pid, selectors, driver, clock)
        for moment, phase in phases:
            clock.now = 100.0 + moment
            monitor.look(phase, stepped=phase not in ("start", "build", "warmup"))
        return monitor.usage()


def test_the_window_lies_between_its_two_polls() -> None:
    usage = played(
        [(0.25, "build"), (2.0, "warmup"), (5.0, "measure"), (6.5, "measure"), (9.25, "train"), (12.0, "train")]
    )
    assert usage.window_seconds == pytest.approx(4.25)
    assert usage.seconds == 12.0
    assert usage.cores_used is not None and 0 <= usage.cores_used < 1
    assert usage.rss_peak is not None and usage.rss_peak > 0
    assert usage.notes == []
    assert usage.num_samples == 6


def test_a_look_is_taken_once_a_second_and_not_at_every_poll() -> None:
    usage = played([(0.25 * poll, "train") for poll in range(41)])
    assert 10 <= usage.num_samples <= 12
    assert usage.num_samples_window is None


@pytest.mark.parametrize(
    ("phases", "note"),
    [
        ([(1.0, "warmup"), (2.0, "train")], "no figures of the window: it was not seen"),
        ([(1.0, "warmup"), (2.0, "measure"), (4.0, "measure")], "no figures of the window: it was not over"),
    ],
)
def test_a_window_that_was_not_seen_has_no_figures(phases: list[tuple[float, str]], note: str) -> None:
    usage = played(phases)
    assert (usage.window_seconds, usage.other_cores) == (None, None)
    assert note in usage.notes
    assert usage.cpu_seconds_cell is not None


def test_the_gpus_of_a_cell_are_in_its_usage() -> None:
    driver = FakeNvml(H200)
    usage = played([(1.0, "warmup"), (2.0, "measure"), (4.0, "measure"), (6.0, "train")], driver, ("0",))
    assert usage.gpus[0].energy == 600.0
    assert usage.with_samples(100.0).energy_per_1000_samples == pytest.approx(1500.0)
    assert not driver.is_shut_down, "a driver that was passed in is the caller's"


def test_a_gpu_that_fails_in_the_middle_leaves_the_rest_of_the_cell_watched() -> None:
    class Lost(FakeNvml):
        def answer(self, function: str, handle: int, name: str) -> Any:
            if self.asked.get((0, "power"), 0) >= 2:
                self.lose()
            return super().answer(function, handle, name)

    usage = played([(1.0, "warmup"), (2.0, "measure"), (4.0, "measure"), (6.0, "train")], Lost(H200), ("0",))
    assert usage.window_seconds == pytest.approx(4.0)
    assert usage.cpu_seconds is not None
    assert usage.gpus[0].energy is None
    assert len([note for note in usage.notes if "GPU is lost" in note]) == 1


def test_a_monitor_that_breaks_says_when_and_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Tree) -> int:
        if self.cpu_seconds or monitor_calls:
            raise RuntimeError("no such answer")
        monitor_calls.append(1)
        return 0

    monitor_calls: list[int] = []
    clock = Clock()
    with running(HOLD) as process:
        monkeypatch.setattr(Tree, "look", broken)
        monitor = Monitor(process.pid, clock=clock)
        for moment in (3.0, 5.0):
            clock.now = 100.0 + moment
            monitor.look("warmup", stepped=False)
        usage = monitor.usage()
    assert usage.notes[0] == "the monitor stopped at 3.0 s: RuntimeError: no such answer"
    assert usage.cpu_seconds is None


def test_cells_that_took_turns_claim_nothing_of_the_window() -> None:
    usage = Usage(seconds=20, window_seconds=9, cpu_seconds=3, cores_used=0.3, other_cores=1.1, rss_peak=5)
    less = usage.of_turns()
    assert (less.window_seconds, less.cores_used, less.other_cores, less.disturbance) == (None, None, None, None)
    assert less.rss_peak == 5
    assert "cells took turns" in less.notes[0]


@pytest.mark.parametrize("phase", ["train", "measure"])
@pytest.mark.parametrize("cost", [0.0001, 0.001, 0.05])
def test_looks_and_searches_cost_no_more_than_their_share(
    cost: float, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU seconds of a look as the test says, a search five times as many: what is counted is how often."""
    spent, looks, searches = [0.0], [0], [0]
    monkeypatch.setattr(monitor_module.time, "thread_time", lambda: spent[0])

    def look(self: Tree) -> int:
        looks[0] += 1
        spent[0] += cost
        return 1

    def find(self: Tree) -> None:
        searches[0] += 1
        spent[0] += 5 * cost

    monkeypatch.setattr(Tree, "look", look)
    monkeypatch.setattr(Tree, "find", find)
    clock, num_seconds = Clock(), 200
    monitor = Monitor(os.getpid(), clock=clock)
    for _ in range(4 * num_seconds):
        clock.now += 0.25
        monitor.look(phase, stepped=True)
    share = monitor_module.SHARE
    assert 0.7 * min(1.0, share / cost) * num_seconds <= looks[0] <= min(1.0, share / cost) * num_seconds + 3
    # one as the monitor is made; a change of phase begins with one, but for the window's
    most = 2 + num_seconds * min(1 / monitor_module.FIND_SECONDS, share / (5 * cost))
    assert searches[0] == 1 if phase == "measure" else 2 <= searches[0] <= most
    assert monitor.usage().sampling_cpu_seconds == pytest.approx(spent[0])


def test_every_look_of_the_harness_inside_the_window_is_a_sample() -> None:
    """A second apart, give or take what the look itself takes."""
    clock = Clock()
    monitor = Monitor(os.getpid(), clock=clock)
    for late in (0.0, 0.01, 0.0, 0.02, 0.0):
        clock.now += 1.0 + late
        monitor.look("measure", stepped=True)
    assert monitor.num_samples_window == 5


@pytest.fixture
def steady_cell(
    make_cell: Callable[..., Cell], fake_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Callable[[float], tuple[Cell, Outcome]]:
    def run(busy: float) -> tuple[Cell, Outcome]:
        fake_worker("steady")
        monkeypatch.setenv("FAKE_BUSY", str(busy))
        cell = make_cell("pt", 2)
        return cell, run_cell(cell, {}, Limits(), lambda progress: None)

    return run


def test_a_steady_cell_is_measured_and_its_harness_too(
    steady_cell: Callable[[float], tuple[Cell, Outcome]],
) -> None:
    cell, outcome = steady_cell(0.3)
    record = make_record(cell, outcome, {}, **CONTEXT)
    usage = record.usage
    assert record.status == "ok" and usage is not None
    assert usage.window_seconds is not None and 0 < usage.window_seconds < usage.seconds
    # busy for 0.3 s, of which the window as the harness sees it may lack some
    assert usage.cpu_seconds_cell is not None and usage.cpu_seconds_cell >= 0.3
    assert usage.cpu_seconds is not None and 0 <= usage.cpu_seconds <= usage.cpu_seconds_cell
    assert usage.cores_used == pytest.approx(usage.cpu_seconds / usage.window_seconds)
    assert usage.other_cores is not None and usage.other_cores >= 0
    assert usage.rss_peak is not None and usage.rss_peak > 5 << 20
    assert usage.gpus == []
    # what it cost is said, of the window and of the whole cell
    assert record.harness_cpu_seconds is not None and usage.harness_cpu_seconds is not None
    assert 0 <= usage.harness_cpu_seconds <= record.harness_cpu_seconds
    assert usage.num_samples_window is not None
    assert 2 <= usage.num_samples_window <= 3 + usage.window_seconds / monitor_module.SAMPLE_SECONDS


def test_cores_are_known_by_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every other core switched off the system lists the rest in a row."""
    online = {0: 1.0, 2: 10.0, 4: 100.0}
    times = [SimpleNamespace(user=busy, system=0.0) for busy in online.values()]
    monkeypatch.setattr(monitored, "core_ids", lambda: list(online))
    monkeypatch.setattr(monitored.psutil, "cpu_times", lambda percpu: times)
    assert machine_times([0, 4]).busy == 101.0
    assert machine_times([2]).busy == 10.0


def test_monitors_on_cells_alive_at_once_cost_no_more_than_one() -> None:
    now = [0.0]
    alone, together = (Monitor(os.getpid(), clock=lambda: now[0], num_monitors=count) for count in (1, 8))
    for tick in range(800):
        now[0] = tick / 10
        alone.look("measure", True)
        together.look("measure", True)
    assert alone.num_samples > 60
    assert together.num_samples <= alone.num_samples / 6


@pytest.mark.parametrize(
    ("group", "quota", "counters"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, "nr_periods {} \nnr_throttled {}\nthrottled_usec {}000000"),
        (
            "1:cpu:/",
            {"cpu/cpu.cfs_quota_us": "150000", "cpu/cpu.cfs_period_us": "100000"},
            "nr_periods {}\nnr_throttled {}\nthrottled_time {}000000000",
        ),
    ],
)
def test_what_a_quota_stopped_is_that_of_the_cell(
    tmp_path: Path, group: str, quota: dict[str, str], counters: str
) -> None:
    folder = "sys/fs/cgroup"
    files = {"proc/self/cgroup": group, **{f"{folder}/{name}": text for name, text in quota.items()}}
    host = fake_host.make(tmp_path, files)
    counts = (
        tmp_path / folder / next(iter(quota)).replace("cpu.max", "cpu.stat").replace("cpu.cfs_quota_us", "cpu.stat")
    )
    counts.write_text(counters.format(1000, 500, 7))
    monitor = Monitor(os.getpid(), host=host)
    counts.write_text(counters.format(1100, 540, 10))
    seen = monitor.usage()
    assert (seen.cpu_quota, seen.quota_periods, seen.throttled_periods) == (1.5, 100, 40)
    assert seen.throttled_seconds == pytest.approx(3.0)
    assert seen.of_turns().throttled_periods is None  # others' turns are in it
    assert seen.of_turns().cpu_quota == 1.5


def test_without_a_quota_nothing_is_said_of_one(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path, {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"})
    seen = Monitor(os.getpid(), host=host).usage()
    assert (seen.cpu_quota, seen.throttled_periods) == (None, None)
