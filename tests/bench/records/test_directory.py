"""The directory of a run: who may use it, what a full disk and a kill leave of it, what can be resumed."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from bench.host import machine
from bench.records import directory
from bench.records import record as records_module
from bench.records.directory import RunDirectory
from tests.bench.command import Bench, assert_error, by_cell

pytestmark = pytest.mark.usefixtures("fake_worker")


def test_the_output_directory(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    assert_error(bench(*tiny, "--out", full), "not empty", "thesis.txt", "--out")
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]
    assert_error(bench(*tiny, "--out", full / "thesis.txt" / "run"), "cannot be written", "--out")
    assert_error(bench("run", "--resume", full), "no run to resume")
    # what came to nothing leaves nothing
    assert_error(bench(*tiny, "--out", tmp_path / "new" / "run", "--epochs", "1", "--steps", "50"), "--epochs")
    assert not (tmp_path / "new").exists()


def test_a_second_run_into_the_same_directory(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with RunDirectory(out, resume=False) as held:
        assert_error(bench(*tiny, "--out", out), "another `bench run`")
        held.write_json("run.json", {})
        assert_error(bench("run", "--resume", out), "another `bench run`")


def test_a_full_disk_keeps_finished_records(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "out", records_module.write_atomically

    def fill(path: Path, text: str) -> None:
        if path.parent.name == "records" and len(list(path.parent.glob("*.json"))) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, text)

    monkeypatch.setattr(records_module, "write_atomically", fill)
    assert_error(bench(*tiny, "--out", out), "No space left on device", "2 records are kept", "--resume")
    assert len(by_cell(out)) == 2
    monkeypatch.setattr(records_module, "write_atomically", write)
    assert bench("run", "--resume", out)[0] == 0
    assert len(by_cell(out)) == 4


def test_a_disk_that_is_full_before_anything_runs_leaves_nothing_behind(
    bench: Bench, tiny: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, write = tmp_path / "new" / "out", directory.write_atomically

    def fill(path: Path, text: str) -> None:
        if path.name == "run.json":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, text)

    monkeypatch.setattr(directory, "write_atomically", fill)
    assert_error(bench(*tiny, "--out", out), "No space left on device", "nothing was started: make room")
    assert not out.parent.exists()


def test_what_a_run_that_was_killed_while_it_wrote_left_is_cleared_away(
    bench: Bench, tiny: list[object], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in (".lock", "environment.json", ".run.json.x.writing"):  # killed before its plan was there
        (out / name).write_text("")
    assert bench(*tiny, "--gpus", "1", "--out", out)[0] == 0
    assert not list(out.rglob("*.writing"))
    (out / "records" / ".a.json.x.writing").write_text("{")
    (out / "mine.txt").write_text("")
    assert bench("run", "--resume", out)[0] == 0
    assert not list(out.rglob("*.writing"))
    assert_error(bench(*tiny, "--out", out), "not empty", "--resume")


def test_a_damaged_record_is_run_again(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bench(*tiny, "--gpus", "1", "--out", out)[0] == 0
    damaged = next((out / "records").glob("*.json"))
    damaged.write_text(damaged.read_text()[:100])
    assert bench("run", "--resume", out)[0] == 0
    assert len(by_cell(out)) == 2


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_cannot_be_resumed(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert bench(*tiny, "--gpus", "1", "--framework", "pt", "--out", out)[0] == 0
    edit(out / "environment.json", fingerprint="another machine")
    assert_error(bench("run", "--resume", out), "other hardware")
    edit(out / "environment.json", fingerprint=machine.fingerprint())
    before = json.loads((out / "environment.json").read_text())
    edit(out / "environment.json", columns={"pt": before["columns"]["pt"] | {"torch": "1.0"}})
    assert_error(bench("run", "--resume", out), "pt: ", "began with torch 1.0", "--pt-python", "start a new run")
    del before["columns"]  # of a run that is older than they are
    (out / "environment.json").write_text(json.dumps(before))
    assert bench("run", "--resume", out)[0] == 0
    edit(out / "run.json", schema=99)
    assert_error(bench("run", "--resume", out), "schema 99")
    (out / "run.json").write_text("{")
    assert_error(bench("run", "--resume", out), "damaged")
