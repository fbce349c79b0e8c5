"""`--exclusive`, and what is said where a cell had company."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest

from bench.cli import main
from bench.monitors import exclusive
from bench.monitors.exclusive import busy_cores, busy_gpus, disturbance_text, refuse_if_busy
from bench.monitors.processes import MachineTimes
from bench.records.record import read_records
from bench.records.usage import GpuProcess, GpuUsage, Usage
from shared.errors import UserError
from tests.bench.monitors.fake_nvml import GIB, H200, V100, FakeNvml

RESUME = "`bench run --resume DIR`"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Four cores, a second that nobody waits for, and what runs in it: `busy` seconds, `processes` (id, name, each)."""
    fake = SimpleNamespace(now=0.0, busy=0.0, processes=[])

    def sleep(seconds: float) -> None:
        fake.now += seconds

    monkeypatch.setattr(exclusive, "usable_cores", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(exclusive, "machine_times", lambda cores: MachineTimes(fake.busy * (fake.now > 0), 0.0))
    monkeypatch.setattr(
        exclusive,
        "process_seconds",
        lambda: {(pid, name): seconds * (fake.now > 0) for pid, name, seconds in fake.processes},
    )
    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: fake.now, process_time=lambda: 0.0)
    monkeypatch.setattr(exclusive, "time", clock)
    return fake


def test_a_busy_machine_is_refused_with_the_names_of_the_busiest(machine: SimpleNamespace) -> None:
    machine.busy = 1.3
    machine.processes = [(7, "idle", 0.0), (8, "trainer", 0.95), (9, "find", 0.25), (os.getpid(), "pytest", 0.9)]
    with pytest.raises(UserError) as refused:
        refuse_if_busy("cell-1", (), RESUME)
    assert str(refused.value) == (
        "--exclusive: 1.30 of 4 cores are busy: trainer (8) 0.95, find (9) 0.25; cell-1 was not started: "
        "end them, then `bench run --resume DIR` --exclusive"
    )


@pytest.mark.parametrize(("busy", "refused"), [(0.19, False), (0.21, True)])
def test_the_bound_is_a_twentieth_of_a_core_for_each(machine: SimpleNamespace, busy: float, refused: bool) -> None:
    machine.busy = busy
    assert bool(busy_cores()) is refused


def test_work_that_cannot_be_seen_is_named_so(machine: SimpleNamespace) -> None:
    machine.busy = 2.0
    assert busy_cores() == ["2.00 of 4 cores are busy: by nothing that can be seen from here"]


def test_processes_on_the_cells_gpus_are_refused(machine: SimpleNamespace) -> None:
    driver = FakeNvml(H200, V100)
    with pytest.raises(UserError) as refused:
        refuse_if_busy("cell-1", ("0", "1"), RESUME, driver)
    assert "GPU 1 also runs not visible from here (999999999) 3.0 GiB; cell-1 was not started" in str(refused.value)
    refuse_if_busy("cell-1", ("0",), RESUME, driver)
    assert busy_gpus((), driver) == []


def test_a_gpu_with_many_processes_names_three() -> None:
    driver = FakeNvml(H200 | {"processes": [(999_999_990 + number, None) for number in range(5)]})
    (text,) = busy_gpus(("0",), driver)
    assert text.endswith("and 2 more")


def test_a_real_busy_process_is_seen_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "NAMED", 100)  # whatever else this machine is busy with
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        (text,) = busy_cores()
    finally:
        process.kill()
        process.wait()
    assert f"({process.pid})" in text


@pytest.mark.parametrize(
    ("usage", "text"),
    [
        (None, None),
        (Usage(seconds=9), None),
        (Usage(seconds=9, other_cores=0.1), None),
        (Usage(seconds=9, other_cores=0.84, other_cores_cell=2.0), "other processes kept 0.8 cores busy"),
        (Usage(seconds=9, other_cores_cell=2.0), "other processes kept 2.0 cores busy"),
        (
            Usage(
                seconds=9,
                gpus=[GpuUsage(selector="2", other_processes=[GpuProcess(pid=4, name="python", memory=3 * GIB)])],
            ),
            "GPU 2 also runs python (4) 3.0 GiB",
        ),
    ],
)
def test_what_a_table_says_of_company(usage: Usage | None, text: str | None) -> None:
    assert disturbance_text(usage) == text


def bench(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(list(arguments))
    return int(leaving.value.code or 0)


def test_an_exclusive_run_ends_before_its_first_cell_and_goes_on_when_the_machine_is_free(
    fake_worker, store: Path, workload_file: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "run"
    monkeypatch.setattr(exclusive, "busy_cores", lambda: ["1.30 of 2 cores are busy: trainer (8) 0.95"])
    asked = (
        "run",
        "--no-figures",
        "--framework",
        "pt",
        "--gpus",
        "1",
        "--workload",
        str(workload_file),
        "--data",
        str(store),
    )
    assert bench(*asked, "--epochs", "0", "--exclusive", "--out", str(out)) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("bench: error: --exclusive: 1.30 of 2 cores are busy: trainer (8) 0.95; ")
    assert f"bench run --resume {out}` --exclusive" in last
    assert not list((out / "records").glob("*"))
    monkeypatch.setattr(exclusive, "busy_cores", list)
    assert bench("run", "--resume", str(out), "--exclusive") == 0
    (record,) = read_records([out])
    assert record.usage is not None and record.usage.seconds > 0


def test_without_it_a_run_warns_once_and_its_table_says_it_for_each_cell(
    fake_worker, store: Path, workload_file: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("bench.records.usage.Usage.disturbance", property(lambda self: 0.8))
    out = tmp_path / "run"
    asked = (
        "run",
        "--no-figures",
        "--framework",
        "pt",
        "--gpus",
        "1,2",
        "--workload",
        str(workload_file),
        "--data",
        str(store),
    )
    assert bench(*asked, "--epochs", "0", "--out", str(out)) == 0
    said = capsys.readouterr().err
    assert said.count("other processes kept 0.8 cores busy") == 1
    assert "--exclusive refuses" in said
    table = (out / "summary.md").read_text()
    assert all(
        f"PyTorch at {which}: other processes kept 0.8 cores busy" in table for which in ("1 replica", "2 replicas")
    )


def test_a_gpu_that_does_not_say_who_uses_it_is_not_taken_for_free(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = FakeNvml(H200)
    driver.fail("nvmlDeviceGetComputeRunningProcesses", pynvml.NVML_ERROR_NO_PERMISSION)
    (text,) = busy_gpus(("0",), driver)
    assert text.startswith("who uses GPU 0 cannot be told (GPU 0: processes: ")
    monkeypatch.setattr(exclusive, "connect", lambda: (None, "no driver"))
    assert busy_gpus(("0",)) == ["who uses the GPUs cannot be told (no driver)"]
