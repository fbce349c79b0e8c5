"""Cells survive being written and read; a worker's last words are kept."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import UserError
from shared.protocol import CELL_SCHEMA, Cell
from tests import tiny


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return tiny.make_cell(tmp_path, tmp_path / "store", replicas=2, cores=((0, 1), (2, 3)), weights="w.safetensors")


def test_a_cell_there_and_back(cell: Cell, tmp_path: Path) -> None:
    for changed in (
        cell,
        replace(cell, cores=(), weights=None, epochs=0, finetune=True, precision="bf16"),
        replace(cell, mode="infer", batches=(1, 8), calls=3, runtime="onnx"),
    ):
        changed.write(tmp_path / "cell.json")
        assert Cell.read(tmp_path / "cell.json") == changed


def test_a_cell_of_an_older_plan_is_written_for_the_workers_of_now(cell: Cell, tmp_path: Path) -> None:
    replace(cell, schema=3).write(tmp_path / "cell.json")
    assert Cell.read(tmp_path / "cell.json").schema == CELL_SCHEMA


def test_the_global_batch_is_over_all_replicas(cell: Cell) -> None:
    assert cell.global_batch == 4


@pytest.mark.parametrize("schema", [1, 2, 3, 4, 6, None, "5"])
def test_a_cell_of_another_version_is_refused(cell: Cell, tmp_path: Path, schema: object) -> None:
    cell.write(tmp_path / "cell.json")
    content = json.loads((tmp_path / "cell.json").read_text())
    (tmp_path / "cell.json").write_text(json.dumps(content | {"schema": schema}))
    with pytest.raises(ValueError, match=r"cell schema .*, this worker reads 5"):
        Cell.read(tmp_path / "cell.json")


def test_a_cells_workload_is_checked_again(cell: Cell, tmp_path: Path) -> None:
    cell.write(tmp_path / "cell.json")
    content = json.loads((tmp_path / "cell.json").read_text())
    content["workload"]["train"]["epochs"] = 0
    (tmp_path / "cell.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"train\.epochs"):
        Cell.read(tmp_path / "cell.json")


def test_leaving_keeps_what_was_written_and_asks_nobody(tmp_path: Path) -> None:
    code = "import atexit, sys, shared.protocol as p; atexit.register(print, 'asked'); "
    code += "sys.stdout.write('out'); sys.stderr.write('err'); p.leave(7)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert (ended.returncode, ended.stdout, ended.stderr) == (7, "out", "err")
