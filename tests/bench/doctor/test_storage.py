"""Checks of the results folder and its disk."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from bench.doctor import storage
from bench.doctor.storage import DiskSpeed
from bench.records import certificates
from shared import spec
from tests.bench.doctor import fake_host
from tests.bench.doctor.fake_host import GIB, only

Usage = namedtuple("Usage", "total used free")


def test_a_folder_that_is_yet_to_be_made_is_not_made(tmp_path: Path) -> None:
    found = only(storage.results_folder(fake_host.make(tmp_path)))
    assert found.text.startswith(f"{tmp_path / 'results'}, ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "state"), [(50 * GIB, "good"), (5 * GIB, "notice"), (GIB // 2, "problem")])
def test_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: Usage(free, 0, free))
    found = only(storage.results_folder(fake_host.make(tmp_path)))
    assert (found.state, found.blocks) == (state, state == "problem")


def test_a_folder_that_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage.tempfile, "TemporaryFile", refused)
    found = only(storage.results_folder(fake_host.make(tmp_path)))
    assert found.blocks
    assert found.text.endswith("nothing can be written there (Permission denied)")
    assert "TWINBENCH_RESULTS" in found.fix


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    assert only(storage.results_folder(fake_host.make(tmp_path))).text.endswith("(Not a directory)")


def test_speed_is_measured_and_leaves_nothing(tmp_path: Path) -> None:
    speed = storage.measure_disk(tmp_path / "yet" / "to come", size=8 * 2**20)
    assert 1e6 < speed.write < 1e12
    assert 1e6 < speed.read < 1e12
    assert list(tmp_path.iterdir()) == []


def test_a_slow_disk(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert storage.disk_speed(host) == []
    found = only(storage.disk_speed(replace(host, disk=DiskSpeed(50e6, 80e6))))
    assert (found.state, "reads 80 MB/s, writes 50 MB/s" in found.text) == ("notice", True)
    assert only(storage.disk_speed(replace(host, disk=DiskSpeed(50e6, 800e6, cached=True)))).state == "good"
    assert only(storage.disk_speed(replace(host, disk="No space left"))).text == "not measured: No space left"


def test_certificates_that_hold(tmp_path: Path) -> None:
    host = fake_host.make(tmp_path)
    assert only(storage.proven(host)).state == "notice"
    certificates.store(certificates.new(spec.load("effnet-b0", "quick"), passed=True, rungs=[]))
    assert "effnet-b0 (quick)" in only(storage.proven(host)).text
