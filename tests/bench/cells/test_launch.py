"""A cell from start to end, with a worker that does everything a worker should not do."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cells import launch
from bench.cells.launch import Limits, Outcome, Progress, run_cell
from bench.cells.summary import make_record
from bench.host import processes
from bench.host.processes import family
from shared.events import Failure, Phase, Step
from shared.protocol import Cell
from tests.bench.record_maker import CONTEXT

MakeCell = Callable[..., Cell]
SHARES = {"train": 0.75, "val": 0.5, "test": 0.25}  # of right samples, as the fake worker counts them
LIMITS = Limits(start=120, first_step=120, steady=120, teardown=120)  # of a machine that is busy


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)


def run(cell: Cell, limits: Limits = LIMITS, shown: list[Progress] | None = None) -> Outcome:
    return run_cell(cell, {}, limits, (shown if shown is not None else []).append)


def test_a_good_cell_becomes_a_whole_record(make_cell: MakeCell, fake_worker: Callable[..., None]) -> None:
    cell, shown = make_cell("pt", 2), []
    outcome = run(cell, shown=shown)
    record = make_record(cell, outcome, {"env.X": "1"}, **CONTEXT)
    assert (record.status, record.reason) == ("ok", None)
    # two ranks of 4 steps x 2 samples; the slower needs 4 x 0.01 x 2 s
    assert record.throughput == pytest.approx(16 / 0.08)
    assert record.window_seconds == pytest.approx([0.04, 0.08])
    assert len(record.step_seconds) == record.measured_steps == 4
    assert record.time_to_first_step == 1.5
    assert (record.task, record.headline) == ("classification", "accuracy")
    assert record.scores == {"train": {name: {"accuracy": share} for name, share in SHARES.items()}}
    assert (record.network, record.sample, record.unit, record.cost) == ("efficientnet b0", "32 px", "page", 1024.0)
    assert record.memory_rss_peak == 2 << 20
    assert record.memory_allocator_peak is None
    assert record.num_parameters == 1234
    assert record.settings["threads"] == 1
    assert record.settings["env.X"] == "1"
    assert shown[-1].steps_done == 5


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ("crash", "crash", "exit status 1: ValueError: the last word"),
        ("error_event", "crash", "rank lost its way"),
        ("oom_exit", "oom", "exit status 77"),
        ("oom_event", "oom", "tried to allocate a lot"),
        ("diverged", "diverged", "loss is NaN at step 2"),
        ("diverged_and_oom", "oom", "tried to allocate a lot"),
        ("killed", "crash", "killed by SIGKILL (out of memory, as a rule)"),
        ("one_rank_missing", "crash", "ended without finishing (rank 1)"),
    ],
)
def test_how_a_cell_failed(
    make_cell: MakeCell, fake_worker: Callable[..., None], behaviour: str, status: str, reason: str
) -> None:
    fake_worker(behaviour)
    cell = make_cell()
    outcome = run(cell)
    assert (outcome.status, outcome.reason) == (status, reason)
    assert (Path(cell.directory) / "log.txt").exists()
    make_record(cell, outcome, {}, **CONTEXT)


@pytest.mark.parametrize(
    ("behaviour", "limits", "reason"),
    [
        ("silent", replace(LIMITS, start=0.6), "no event since the start for 1 s"),
        ("no_step", replace(LIMITS, first_step=0.6), "no first step (phase build) for 1 s"),
        ("hang", replace(LIMITS, steady=2.0), "no end of the measured window, which began after 1 steps, for 2 s"),
        ("hang_after_done", replace(LIMITS, teardown=0.6), "did not end after all ranks were done for 1 s"),
    ],
)
def test_a_cell_that_hangs_is_given_up(
    make_cell: MakeCell, fake_worker: Callable[..., None], behaviour: str, limits: Limits, reason: str
) -> None:
    fake_worker(behaviour)
    outcome = run(make_cell(), limits)
    assert (outcome.status, outcome.reason) == ("timeout", reason)


def test_a_rank_that_hangs_after_its_error_is_a_crash(
    make_cell: MakeCell, fake_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "AFTER_ERROR_SECONDS", 0.3)
    fake_worker("error_then_hang")
    outcome = run(make_cell())
    assert (outcome.status, outcome.reason) == ("crash", "rank lost its way")


@pytest.mark.parametrize(("behaviour", "status"), [("grandchild", "ok"), ("hang", "timeout")])
def test_a_stubborn_grandchild_does_not_outlive_its_cell(
    make_cell: MakeCell, fake_worker: Callable[..., None], is_alive: Callable[[int], bool], behaviour: str, status: str
) -> None:
    fake_worker(behaviour)
    cell = make_cell()
    outcome = run(cell, replace(LIMITS, steady=2.0) if status == "timeout" else LIMITS)
    assert outcome.status == status
    assert not is_alive(int((Path(cell.directory) / "grandchild.pid").read_text()))
    assert family(cell.directory) == []


def test_processes_of_a_harness_that_was_killed_are_ended_first(
    make_cell: MakeCell, fake_worker: Callable[..., None], is_alive: Callable[[int], bool]
) -> None:
    cell = make_cell()
    directory = Path(cell.directory)
    directory.mkdir(parents=True)
    command = [sys.executable, "-c", "import time; time.sleep(300)"]
    orphan = processes.start(command, directory / "log.txt", os.environ | {processes.TOKEN: str(directory)})
    assert run(cell).status == "ok"
    assert orphan.wait(timeout=60) != 0


def test_garbage_hurts_nothing(make_cell: MakeCell, fake_worker: Callable[..., None]) -> None:
    fake_worker("garbage")
    cell = make_cell()
    outcome = run(cell)
    assert outcome.status == "ok"
    assert make_record(cell, outcome, {}, **CONTEXT).throughput == pytest.approx(200)


def test_commands_of_both_wings(make_cell: MakeCell) -> None:
    path = Path("cell.json")
    assert launch.worker_command(make_cell("tf"), path)[1:] == ["-m", "tf_impl.worker", "cell.json"]
    assert launch.worker_command(make_cell("pt", 1), path)[1:] == ["-m", "pt_impl.worker", "cell.json"]
    command = launch.worker_command(make_cell("pt", 4), path)
    assert command[1:3] == ["-m", "torch.distributed.run"]
    assert "--nproc-per-node=4" in command
    assert "--max-restarts=0" in command
    assert command[-3:] == ["-m", "pt_impl.worker", "cell.json"]


def test_a_program_that_cannot_start_is_no_mystery(make_cell: MakeCell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "worker_command", lambda cell, path: [sys.executable, "-m", "no_such_module"])
    outcome = run(make_cell())
    assert outcome.status == "crash"
    assert "No module named no_such_module" in (outcome.reason or "")


def test_evaluation_may_take_as_long_as_its_pages_need(make_cell: MakeCell) -> None:
    watch = launch.Watch(make_cell("tf", 1), Limits(steady=1.0, evaluation_samples=100))
    watch.take(0, Step(rank=0, time=0.0, index=1, seconds=1.0, wait=0.0, measured=True))  # 2 samples/s: 100 s allowed
    watch.take(0, Phase(rank=0, time=0.0, name="evaluate"))
    watch.last_event -= 50
    assert watch.overdue() is None
    watch.last_event -= 60
    assert watch.overdue() == "no event in evaluation for 101 s"


def test_torchruns_report_names_the_rank_that_failed(make_cell: MakeCell, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text(
        "worker FAILED\n-----\nRoot Cause (first observed failure):\n[0]:\n  time      : now\n"
        "  rank      : 1 (local_rank: 1)\n  exitcode  : -11 (pid: 7)\n  error_file: <N/A>\n=====\n"
    )
    watch = launch.Watch(make_cell("pt", 2), LIMITS)
    assert watch.verdict(1, log) == ("crash", "rank 1: killed by SIGSEGV")
    log.write_text(log.read_text().replace("-11", "77"))
    assert watch.verdict(1, log) == ("oom", "rank 1: exit status 77")


def test_memory_that_ran_out_is_told_from_a_crash_by_words_and_by_the_kernels_count(
    make_cell: MakeCell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, count = tmp_path / "log.txt", 5
    log.write_text("terminate called after throwing an instance of 'std::bad_alloc'\nExtension modules: numpy\n")
    monkeypatch.setattr(launch, "oom_kills", lambda host: count)

    def verdict(status: int, *messages: str, of_log: Path = tmp_path / "absent") -> tuple[str, str]:
        watch = launch.Watch(make_cell("pt", 2), LIMITS)
        for rank, message in enumerate(messages):
            watch.take(rank, Failure(rank=rank, time=0.0, kind="error", message=message))
        monkeypatch.setattr(launch, "oom_kills", lambda host: count + killed)
        ending, reason = watch.verdict(status, of_log)
        monkeypatch.setattr(launch, "oom_kills", lambda host: count)
        return ending, reason or ""

    killed = 0
    assert verdict(1, "Connection reset by peer", "Cuda failure 2 'out of memory'") == (
        "oom",
        "Cuda failure 2 'out of memory'",
    )
    assert verdict(1, "Connection reset by peer") == ("crash", "Connection reset by peer")
    assert verdict(-signal.SIGABRT, of_log=log)[0] == "oom"
    assert "std::bad_alloc" in verdict(-signal.SIGABRT, of_log=log)[1]
    assert verdict(-signal.SIGKILL) == ("crash", "killed by SIGKILL (out of memory, as a rule)")
    killed = 1
    assert verdict(-signal.SIGKILL)[0] == "oom"
    assert "the kernel killed a process" in verdict(-signal.SIGKILL)[1]
    assert verdict(1, "DataLoader worker (pid 7) is killed by signal: Killed.")[0] == "oom"
    assert verdict(1, "rank lost its way") == ("crash", "rank lost its way")
    assert verdict(-signal.SIGSEGV) == ("crash", "killed by SIGSEGV")
