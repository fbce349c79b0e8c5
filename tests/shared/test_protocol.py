"""Cells and events survive being written and read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import UserError
from shared.protocol import Cell, EventWriter, read_events
from tests import tiny


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return tiny.make_cell(tmp_path, tmp_path / "store", replicas=2, cores=((0, 1), (2, 3)), weights="w.safetensors")


def test_a_cell_there_and_back(cell: Cell, tmp_path: Path) -> None:
    for changed in (cell, replace(cell, cores=(), weights=None, epochs=0, finetune=True, precision="bf16")):
        changed.write(tmp_path / "cell.json")
        assert Cell.read(tmp_path / "cell.json") == changed


def test_the_global_batch_is_over_all_replicas(cell: Cell) -> None:
    assert cell.global_batch == 4


@pytest.mark.parametrize("schema", [1, 2, 4, None, "3"])
def test_a_cell_of_another_version_is_refused(cell: Cell, tmp_path: Path, schema: object) -> None:
    cell.write(tmp_path / "cell.json")
    content = json.loads((tmp_path / "cell.json").read_text())
    (tmp_path / "cell.json").write_text(json.dumps(content | {"schema": schema}))
    with pytest.raises(ValueError, match=r"cell schema .*, this worker reads 3"):
        Cell.read(tmp_path / "cell.json")


def test_a_cells_workload_is_checked_again(cell: Cell, tmp_path: Path) -> None:
    cell.write(tmp_path / "cell.json")
    content = json.loads((tmp_path / "cell.json").read_text())
    content["workload"]["train"]["epochs"] = 0
    (tmp_path / "cell.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"train\.epochs"):
        Cell.read(tmp_path / "cell.json")


def test_events_are_on_disk_at_once_and_appended(tmp_path: Path) -> None:
    path = tmp_path / "events.0.jsonl"
    EventWriter(path, 0)("phase", name="build")
    EventWriter(path, 0)("done")
    events = read_events(path)
    assert [event["event"] for event in events] == ["phase", "done"]
    assert events[0]["name"] == "build"
    assert events[0]["rank"] == 0
    assert events[0]["time"] <= events[1]["time"]


def test_an_unknown_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown event 'finished'; known: phase"):
        EventWriter(tmp_path / "events.0.jsonl", 0)("finished")
    assert read_events(tmp_path / "events.0.jsonl") == []


def test_garbage_and_half_written_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.0.jsonl"
    lines = [b'{"event": "phase", "name": "build"}', b"garbage", b"[1]", b'"done"', b"\xff\xfe", b"null", b"17"]
    lines += [b'{"event": "finished"}', b'{"event": ["phase"]}', b"{}", b'{"event": "done"}', b'{"event": "err']
    path.write_bytes(b"\n".join(lines))
    assert [event["event"] for event in read_events(path)] == ["phase", "done"]


def test_no_file_yet_is_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "absent.jsonl") == []


def test_leaving_keeps_what_was_written_and_asks_nobody(tmp_path: Path) -> None:
    code = "import atexit, sys, shared.protocol as p; atexit.register(print, 'asked'); "
    code += "sys.stdout.write('out'); sys.stderr.write('err'); p.leave(7)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out", "err")
