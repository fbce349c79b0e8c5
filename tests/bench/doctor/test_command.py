"""`bench doctor` from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench.cli.doctor import command
from bench.doctor import examine, findings, frameworks, noise, packages, storage, system
from bench.doctor.findings import Host
from bench.doctor.frameworks import Probe
from bench.doctor.storage import DiskSpeed
from bench.host.locations import PROJECT_ROOT
from shared.errors import UserError
from shared.frameworks import KEYS
from tests import golden
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import healthy


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command with frameworks that answer at once."""
    monkeypatch.setattr(examine.frameworks, "probe", lambda pythons: {name: healthy(name) for name in pythons})

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(command, list(arguments), standalone_mode=False)

    return call


@pytest.mark.slow
def test_this_machine() -> None:
    program = [sys.executable, "-m", "bench", "doctor", "--quick", "--json", "-"]
    done = subprocess.run(program, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=400)
    report = json.loads(done.stdout)
    assert done.returncode == (0 if report["main_job"] else 1)
    assert "PyTorch and TensorFlow, a process each\n" in done.stderr
    checks = {finding["check"]: finding for finding in report["findings"]}
    assert {"Python", "PyTorch", "TensorFlow", "processor", "memory", "results folder", "clock"} <= set(checks)
    assert all(finding["fix"] for finding in report["findings"] if finding["state"] == "problem")
    assert not [finding for finding in report["findings"] if "\n" in finding["text"] + finding["fix"]]
    assert report["noise"] is None
    assert "noise" not in checks


def test_table_and_file(doctor: Callable[..., Result], tmp_path: Path) -> None:
    result = doctor("--quick", "--json", str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    assert result.return_value == (0 if report["main_job"] else 1)
    assert all(finding["check"] in result.output for finding in report["findings"])


@pytest.fixture
def made_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """The command looks at a machine made of files alone: what asks this one is left out."""
    asking = (system.python, system.open_files, system.temporary_folder, packages.wing_packages, packages.companions,
              packages.ocr, storage.results_folder)  # fmt: skip
    monkeypatch.setattr(examine, "CHECKS", tuple(check for check in examine.CHECKS if check not in asking))
    files = {"proc/cpuinfo": "processor : 0\nmodel name : Machine 9000\nflags : fpu avx avx2",
             "proc/meminfo": "MemTotal: 33554432 kB\nMemAvailable: 20971520 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB",
             "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet"}  # fmt: skip
    host = fake_host.make(tmp_path, files)
    return replace(host, load=0.1, probes={name: healthy(name) for name in KEYS})


def test_the_page_of_a_machine_that_runs_everything(
    doctor: Callable[..., Result], made_of_files: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = replace(made_of_files, disk=DiskSpeed(write=9e7, read=1.2e8))
    monkeypatch.setattr(examine, "look", lambda quick, say: host)
    result = doctor()
    assert result.return_value == 0
    golden.check("doctor", result.output)


def test_what_blocks_is_named_and_the_status_is_1(
    doctor: Callable[..., Result], made_of_files: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Probe("python", installed=True, failure="killed by SIGILL")
    host = replace(made_of_files, probes=dict.fromkeys(KEYS, broken), disk="No space left on device", noise="it failed")
    monkeypatch.setattr(examine, "look", lambda quick, say: host)
    result = doctor()
    assert result.return_value == 1
    golden.check("doctor-blocked", result.output)


def test_measurements_are_made_unless_quick(
    doctor: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    def failing() -> None:
        raise UserError("the kernel failed")

    monkeypatch.setattr(storage, "measure_disk", full)
    monkeypatch.setattr(noise, "measure", failing)
    doctor("--json", str(tmp_path / "report.json"))
    report = json.loads((tmp_path / "report.json").read_text())
    texts = {finding["check"]: finding["text"] for finding in report["findings"]}
    assert texts["disk speed"] == "not measured: No space left on device"
    assert texts["noise"] == "not measured: the kernel failed"


@pytest.mark.parametrize(
    ("name", "part"), [(".", "a folder"), ("none/report.json", "does not exist"), ("pipe", "not a plain file")]
)
def test_a_file_that_can_not_be_written_is_told_before_the_work(
    doctor: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    (tmp_path / "pipe").symlink_to("/dev/null")
    monkeypatch.setattr(examine, "look", lambda quick, say: pytest.fail("work was done first"))
    error = doctor("--json", str(tmp_path / name)).exception
    assert isinstance(error, UserError)
    assert part in str(error)


def test_a_disk_that_fills_meanwhile(
    doctor: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.host.files.write_atomically", full)
    error = doctor("--quick", "--json", str(tmp_path / "report.json")).exception
    assert isinstance(error, UserError)
    assert "not written (No space left on device)" in str(error)


def test_a_problem_needs_its_fix() -> None:
    with pytest.raises(AssertionError, match="needs its fix"):
        findings.problem("memory", "too little", "")
    with pytest.raises(AssertionError, match="only a problem blocks"):
        findings.Finding("memory", "notice", "little", blocks=True)
    assert frameworks.PROBE_SECONDS > 60, "a cold disk"
