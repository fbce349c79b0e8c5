"""A workload and a store that are small enough for tests, and the fake worker in place of the frameworks'."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cells import launch
from bench.cli import main
from bench.host import machine
from bench.host.processes import family
from bench.host.worker_environment import INHERITED_PREFIXES
from bench.monitors.monitor import Monitor
from bench.run import resolve
from bench.run.plan import Plan
from shared import spec
from shared.protocol import Cell
from tests.bench import fake_bench
from tests.bench.command import Bench


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs, certificates and stores of a test go to its own folder."""
    monkeypatch.setenv("TWINBENCH_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A small store."""
    return fake_bench.make_store(tmp_path / "store")


@pytest.fixture
def workload_file(tmp_path: Path) -> Path:
    """A workload of a user's own, small enough for tests."""
    path = tmp_path / "tiny.toml"
    path.write_text(fake_bench.TINY)
    return path


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Cells run the fake worker; called with cell ids (or `all`) and their behaviours."""
    monkeypatch.setattr(launch, "worker_command", fake_bench.fake_command)
    monkeypatch.setattr(launch, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(resolve, "is_installed", lambda module: True)
    monkeypatch.setattr(machine, "gpus", list)

    def choose(behaviours: dict[str, str] | str = "ok") -> None:
        chosen = {"*": behaviours} if isinstance(behaviours, str) else behaviours
        monkeypatch.setenv("FAKE_WORKER", json.dumps(chosen))

    choose()
    return choose


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Bench:
    """Runs `bench` with arguments; returns exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return int(left.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def tiny(store: Path, workload_file: Path, fake_worker: Callable[..., None]) -> list[object]:
    """`bench run` of the small workload on the small store, on one core per replica."""
    return ["run", "--workload", workload_file, "--data", store, "--cores-per-replica", "1", "--device", "cpu"]


@pytest.fixture
def plan_of(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """The plan that `bench run` with arguments makes and would show."""
    shown: list[Plan] = []
    monkeypatch.setattr("bench.cli.run.print_plan", lambda plan, *_: shown.append(plan))

    def run(*arguments: object) -> Plan:
        code, _, err = bench(*arguments, "--dry-run")
        assert code == 0, err
        return shown[-1]

    return run


@pytest.fixture
def same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """For pages of a run: two cores, both frameworks, nobody else at work, no variables of whoever runs the tests."""
    monkeypatch.setattr(machine, "cpu_model", lambda: "Example CPU")
    monkeypatch.setattr(machine, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(machine, "gpus", list)
    monkeypatch.setattr(machine, "revision_notes", list)
    monkeypatch.setattr(resolve, "versions_of", lambda _: {"torch": "2.13.0", "tensorflow": "2.21.0"})
    monkeypatch.setattr(Monitor, "usage", lambda _: None)
    for name in [name for name in os.environ if name.startswith(INHERITED_PREFIXES)]:
        monkeypatch.delenv(name)


@pytest.fixture
def make_cell(tmp_path: Path, workload_file: Path) -> Iterator[Callable[..., Cell]]:
    """Cells of the small workload; at the end no process of any of them may be left."""
    made: list[Cell] = []

    def make(framework: str = "pt", replicas: int = 2, **changes: object) -> Cell:
        cell_id = f"tiny-{framework}-r{replicas}-{len(made)}"
        cell = Cell(
            cell_id=cell_id,
            framework=framework,
            arm="matched",
            replicas=replicas,
            device="cpu",
            precision="fp32",
            input_mode="disk",
            repeat=0,
            seed=0,
            workload=spec.load(str(workload_file)),
            store="",
            directory=str(tmp_path / "cells" / cell_id),
            cores=tuple((core,) for core in range(replicas)),
            epochs=1,
        )
        made.append(replace(cell, **changes))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for cell in made:
        assert family(cell.directory) == [], "a process of the cell is left"


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process exists and is no zombie."""

    def alive(pid: int) -> bool:
        try:
            return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False

    assert alive(os.getpid())
    return alive
