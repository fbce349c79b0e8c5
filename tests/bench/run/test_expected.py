"""The expected time of a plan against earlier records: known answers, and what must not be mistaken for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.cells.summary import asked_for
from bench.cli import main
from bench.host import machine
from bench.records.record import Record, write_record
from bench.run.expected import earlier_records, expected, summed
from bench.run.plan import Plan, Request, make_plan
from bench.run.progress import clock
from shared import spec
from shared.store_facts import StoreFacts
from tests.bench.record_maker import make_record

PAGES = StoreFacts("store", "noise", "0", 16, {"train": 24, "val": 4, "test": 8}, ("classification",), image_size=32)
ONE, TWO = "tiny-tf-matched-r1-fp32-disk-0", "tiny-tf-matched-r2-fp32-disk-0"


@pytest.fixture
def plan(workload_file: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """TensorFlow at one and two replicas of a core each; two epochs of 24 pages."""
    monkeypatch.setattr(machine, "usable_cores", lambda: [0, 1])
    monkeypatch.setattr(machine, "cpu_model", lambda: "a processor")
    workload = spec.load(str(workload_file))
    return make_plan(Request(frameworks=("tf",)), workload, PAGES, workload.train.epochs, gpus=[])


def record_of(plan: Plan, position: int = 0, **changes: Any) -> Record:
    """A record of a cell of the plan."""
    cell = plan.cells[position]
    fields = asked_for(cell) | {
        "run_id": "run-1", "device_name": plan.device_name, "data_name": "noise", "data_digest": "0",
        "wall_seconds": 10.0, "throughput": 4.0, "time_to_first_step": 3.0,
    }  # fmt: skip
    return make_record(**(fields | changes))


def test_the_same_cells_give_their_median(plan: Plan) -> None:
    records = [record_of(plan, repeat=number, wall_seconds=10.0 + number) for number in range(3)]
    found = expected(plan, records)
    assert (found[ONE].seconds, found[ONE].source) == (11.0, "from 3 records of run run-1")


def test_other_cells_are_scaled(plan: Plan) -> None:
    """First step 3 s; 48 pages, and 36 evaluated at a third of the cost: 60 at 4/s on one core, 8/s on two."""
    found = expected(plan, [record_of(plan)])
    assert found[TWO].seconds == pytest.approx(3.0 + 60 / 8)
    assert found[TWO].source == "scaled from 1 record of run run-1"
    longer = expected(plan, [record_of(plan, epochs=7)])
    assert longer[ONE].seconds == pytest.approx(3.0 + 60 / 4)
    larger = expected(plan, [record_of(plan, preset="full", spec_hash="other", cost=64.0**2)])
    assert larger[ONE].seconds == pytest.approx(3.0 + 60 / 16)


def test_the_nearest_record_is_scaled(plan: Plan) -> None:
    near = record_of(plan, 1, epochs=7, throughput=6.0, run_id="near")
    far = record_of(plan, 0, epochs=7, throughput=1.0, run_id="far")
    assert expected(plan, [near, far])[TWO].seconds == pytest.approx(3.0 + 60 / 6)
    assert expected(plan, [near, far])[ONE].source == "scaled from 1 record of run far"


@pytest.mark.parametrize(
    "changes",
    [
        {"framework": "pt"},
        {"device_name": "another processor"},
        {"device": "cuda"},
        {"precision": "bf16"},
        {"arm": "native"},
        {"workload": "another"},
        {"throughput": None},
    ],
)
def test_what_tells_nothing(plan: Plan, changes: dict[str, Any]) -> None:
    record = record_of(plan, **({"spec_hash": "other"} | changes))
    assert not any(each.known for each in expected(plan, [record]).values())


def test_versions_are_told_apart_where_there_is_a_choice(plan: Plan) -> None:
    cells = tuple(replace(cell, variant="tf@2.20") for cell in plan.cells)
    other, same = record_of(plan, wall_seconds=99.0), record_of(plan, variant="tf@2.20", wall_seconds=10.0)
    assert expected(replace(plan, cells=cells), [other, same])[ONE].seconds == 10.0
    assert expected(replace(plan, cells=cells), [other])[ONE].seconds == 99.0


def test_a_store_that_a_dry_run_does_not_make(plan: Plan) -> None:
    unmade = replace(plan, store=replace(PAGES, digest="not made yet"))
    assert expected(unmade, [record_of(plan)])[ONE].seconds == 10.0
    assert expected(plan, [record_of(plan, data_digest="1")])[ONE].seconds != 10.0


def test_records_are_found_and_bad_ones_passed_over(plan: Plan, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    write_record(runs / "a", record_of(plan))
    write_record(runs / "b", record_of(plan, cell_id="failed", status="crash"))
    write_record(runs / "b", record_of(plan, cell_id="alone", exchange=False))
    write_record(runs / "b", record_of(plan, cell_id="turns", turn_seconds=[1.0]))
    write_record(tmp_path / "mine", record_of(plan, run_id="mine"))
    (runs / "latest").symlink_to("a")
    (runs / "a" / "records" / "foreign.json").write_text('{"schema_version": 99}')
    (runs / "a" / "records" / "torn.json").write_text('{"schema')
    assert [record.run_id for record in earlier_records(runs)] == ["run-1"]
    assert {record.run_id for record in earlier_records(runs, [tmp_path / "mine"])} == {"run-1", "mine"}
    assert earlier_records(tmp_path / "none") == []


def test_the_total_says_what_it_lacks(plan: Plan) -> None:
    found = list(expected(plan, [record_of(plan)]).values())
    assert summed(found, clock) == "0:20 in all; from 1 record of run run-1; scaled from 1 record of run run-1"
    nothing = list(expected(plan, []).values())
    assert summed(nothing, clock) == "unknown (no earlier record)"
    assert summed([found[0], nothing[1]], clock).startswith("0:10 at least, 1 of 2 cells have no earlier record; ")


def test_the_command_shows_it(
    store: Path, workload_file: Path, fake_worker: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "run",
        "--workload",
        str(workload_file),
        "--data",
        str(store),
        "--gpus",
        "1",
        "--device",
        "cpu",
        "--no-figures",
    ]
    shown = []
    for more in (["--dry-run"], ["--framework", "tf"], ["--dry-run"]):
        with pytest.raises(SystemExit) as left:
            main([*arguments, *more])
        assert not left.value.code
        shown += [line for line in capsys.readouterr().out.splitlines() if line.startswith("expected time: ")]
    first, second = shown
    assert first == "expected time: unknown (no earlier record)"
    assert " at least, 1 of 2 cells have no earlier record; from 1 record of run " in second
