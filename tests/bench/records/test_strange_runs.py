"""A run directory from somebody else: resuming it touches nothing outside, and starts no program that it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench.records.record import write_record
from bench.run.plan import Plan
from bench.run.plan_file import CheckedCell, CheckedFacts, CheckedPlan
from bench.show import tables
from shared.protocol import Cell
from shared.store_facts import StoreFacts
from tests.bench.command import Bench, assert_error, by_cell
from tests.bench.compare.records import make_record

pytestmark = pytest.mark.usefixtures("fake_worker")

Change = Callable[[dict[str, Any]], object]


MADE: list[Path] = []  # the run that every test has a copy of: made once


@pytest.fixture
def run(bench: Bench, tiny: list[object], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one cell, whose records are gone: resuming it runs the cell again."""
    if not MADE:
        out = tmp_path_factory.mktemp("made") / "stranger"
        assert bench(*tiny, "--gpus", "1", "--framework", "pt", "--no-figures", "--out", out)[0] == 0
        for path in (out / "records").glob("*.json"):
            path.unlink()
        (out / "figures").mkdir()
        MADE.append(out)
    return shutil.copytree(MADE[0], tmp_path / "stranger")


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that no run may touch."""
    folder = tmp_path / "victim"
    (folder / "precious").mkdir(parents=True)
    (folder / "precious" / "thesis.txt").write_text("mine")
    return folder


def edit(run: Path, change: Change) -> None:
    content = json.loads((run / "run.json").read_text())
    change(content["plan"])
    (run / "run.json").write_text(json.dumps(content))


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def of_cell(**fields: Any) -> Change:
    return lambda plan: plan["cells"][0].update(fields)


def of_plan(**fields: Any) -> Change:
    return lambda plan: plan.update(fields)


@pytest.mark.parametrize(
    "change",
    [
        *(
            of_cell(cell_id=name)
            for name in ("../../victim/precious", "/etc", "..", ".", "", "a/b", "a\0b", "x" * 300, 5)
        ),
        of_cell(checkpoint="/etc/hostname"),
        of_cell(splits="/etc/hostname"),
        of_cell(predictions=True),
        of_cell(replicas=0),
        of_cell(replicas=10**9),
        of_cell(loader_workers=10**6),
        of_cell(threads_per_replica=-1),
        of_cell(cores=[[10**12]]),
        of_cell(framework="sh"),
        of_cell(variant="pt@$(reboot)"),
        of_cell(variant="tf@2.1"),
        of_cell(store="/somewhere/else"),
        of_cell(extra=1),
        of_cell(workload=[]),
        of_cell(seed="0"),
        of_plan(cells=[]),
        of_plan(cells={}),
        of_plan(timeout=-1.0),
        of_plan(gpu_selectors=["0\0PATH=x"]),
        of_plan(store=None),
        lambda plan: plan["cells"].append(plan["cells"][0]),
        lambda plan: plan["store"]["split_sizes"].pop("val"),
        lambda plan: plan["store"].update(split_sizes={"train": -1, "val": 1, "test": 1}),
        lambda plan: plan.clear(),
    ],
)
def test_a_plan_that_no_run_would_write_is_refused(bench: Bench, run: Path, victim: Path, change: Change) -> None:
    edit(run, change)
    before = tree(run.parent)
    assert_error(bench("run", "--resume", run), "stranger")
    assert tree(run.parent) == before


def test_an_interpreter_in_the_file_is_never_started(bench: Bench, run: Path, tmp_path: Path) -> None:
    script = run / "python.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path / 'STARTED'}\n")
    script.chmod(0o755)
    edit(run, of_cell(python=str(script)))
    assert bench("run", "--resume", run, "--no-figures")[0] == 0
    assert not (tmp_path / "STARTED").exists()


def test_a_named_interpreter_is_named_again(bench: Bench, tiny: list[object], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--gpus", "1", "--framework", "pt", "--pt-python", sys.executable, "--no-figures"]
    assert bench(*tiny, *arguments, "--out", out)[0] == 0
    next((out / "records").glob("*.json")).unlink()
    assert_error(bench("run", "--resume", out), "named", "--pt-python")
    assert bench("run", "--resume", out, "--pt-python", sys.executable, "--no-figures")[0] == 0
    assert len(by_cell(out)) == 1
    assert_error(bench("run", "--resume", out, "--pt-python", "/bin/false"), "--pt-python /bin/false")


@pytest.mark.parametrize("folder", ["cells", "records", "figures", "cells/inner", "summary.md"])
def test_a_link_that_leads_out_is_refused(bench: Bench, run: Path, victim: Path, folder: str) -> None:
    if (run / folder).is_dir():
        (run / folder).rename(run.parent / "aside")
    else:
        (run / folder).unlink(missing_ok=True)
    (run / folder).symlink_to(victim)
    edit(run, of_cell(cell_id="precious"))
    assert_error(bench("run", "--resume", run), folder, "link")
    assert (victim / "precious" / "thesis.txt").read_text() == "mine"
    assert [path.name for path in victim.iterdir()] == ["precious"]


def test_what_the_run_reads_elsewhere_is_said_first(bench: Bench, run: Path) -> None:
    store = json.loads((run / "run.json").read_text())["plan"]["store"]["path"]
    code, _, stderr = bench("run", "--resume", run, "--no-figures")
    assert code == 0
    assert f"documents are read from {store}" in stderr.partition("[1/1")[0]


@pytest.mark.parametrize("name", ["run.json", "environment.json"])
@pytest.mark.parametrize("kind", ["pipe", "nested", "nan", "list", "outside"])
def test_files_of_a_run_that_are_none(bench: Bench, run: Path, victim: Path, name: str, kind: str) -> None:
    path = run / name
    content = json.loads(path.read_text())
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "outside":
        path.symlink_to(victim / "precious" / "thesis.txt")
    else:
        texts = {"nested": "[" * 100_000, "nan": json.dumps(content | {"more": float("nan")}), "list": "[1]"}
        path.write_text(texts[kind])
    assert_error(bench("run", "--resume", run))


@pytest.mark.parametrize(
    "columns", [[], {"pt": "x"}, {"pt": {"torch": 5}}, {"pt": {"interpreter": ["--pt-python"]}}, 7]
)
def test_an_environment_of_other_types(bench: Bench, run: Path, columns: object) -> None:
    content = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(content | {"columns": columns}))
    assert_error(bench("run", "--resume", run), "columns")


def test_the_checks_know_every_field_of_a_plan() -> None:
    for checked, real in ((CheckedCell, Cell), (CheckedFacts, StoreFacts), (CheckedPlan, Plan)):
        names = {field.alias or name for name, field in checked.model_fields.items()}
        assert names == set(real.__dataclass_fields__), f"bench/run/plan_file.py: {checked.__name__}"


EVIL = "\x1b]0;PWN\x07 [bold]x[/b] $a_b$ <script>alert(1)</script> ![x](http://y) | cell\n# head \u202eabc"
NAMES = (
    "workload",
    "preset",
    "precision",
    "input_mode",
    "device_name",
    "data_name",
    "reason",
    "certificate_id",
    "run_id",
)


def test_texts_of_a_record_do_nothing_wherever_they_are_shown(bench: Bench, run: Path, tmp_path: Path) -> None:
    record = make_record("pt", cell_id="evil", **dict.fromkeys(NAMES, EVIL), status="crash", settings={EVIL: EVIL})
    write_record(run, record)
    write_record(run, make_record("pt", repeat=1))
    page, text, table = (tmp_path / f"report.{kind}" for kind in ("html", "md", "csv"))
    told, figures = tmp_path / "compare.md", tmp_path / "figures"
    commands: list[list[object]] = [
        ["report", run, "--out", page, "--markdown", text, "--csv", table],
        ["plot", run, "--out", figures, "--format", "svg"],
        ["compare", run / "records" / f"{record.cell_id}.json", run / "records" / "pt-matched-r1-disk-1.json",
         "--force", "--markdown", told],
    ]  # fmt: skip
    for command in commands:
        code, stdout, stderr = bench(*command)
        assert code == 0, stderr
        for shown in (stdout, stderr):
            assert not {"\x1b", "\x07", "\u202e"} & set(shown)
    (run / "summary.md").write_text(tables.markdown([record]))
    for path in (page, text, told, run / "summary.md"):
        content = path.read_text()
        assert "<script>alert" not in content
        if path.suffix == ".md":
            assert "\n# head" not in content
            assert not re.search(r"(?<!\\)\](?!\\)\(http", content)
            assert not {"\x1b", "\x07", "\u202e"} & set(content)
    assert list(figures.iterdir())
    for path in figures.iterdir():
        ElementTree.parse(path)


def test_events_of_a_run_are_read_from_it_alone(bench: Bench, run: Path, victim: Path, tmp_path: Path) -> None:
    record = make_record("pt")
    write_record(run, record)
    events = run / "cells" / record.cell_id / "events.0.jsonl"
    events.parent.mkdir(parents=True)
    for make in (lambda: os.mkfifo(events), lambda: events.symlink_to(victim / "precious" / "thesis.txt")):
        make()
        assert bench("report", run, "--mllog", tmp_path / "lines")[0] == 0
        events.unlink()
