"""The cells of an attribution, and which records are whose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.host import machine
from bench.records.kinds import attributions, plain, ran_together, tabled
from bench.run.attribution import attributed, one_width
from bench.run.execution import finished_cells
from bench.run.plan import Plan, Request, make_plan
from bench.run.plan_file import read_plan
from bench.show.groups import group_records
from shared import spec
from shared.store_facts import StoreFacts
from tests import tiny_text
from tests.bench.attribution.records import attribution_records, cell_record, plain_record

PAGES = StoreFacts("store", "noise", "0", 16, {"train": 24, "val": 4, "test": 7}, ("classification",), image_size=32)


@pytest.fixture
def plan(workload_file: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(machine, "usable_cores", lambda: [0, 1])
    request = Request(replicas=(1, 2), repeats=2, attribute=True)
    return attributed(make_plan(request, spec.load(str(workload_file)), PAGES, 0, gpus=[]), None)


def test_each_repeat_at_each_number_of_replicas_is_a_set(plan: Plan) -> None:
    assert [len(cells) for cells in plan.sets] == [6, 8, 8, 6]
    assert len({cell.cell_id for cell in plan.cells}) == len(plan.cells)
    for cells in plan.sets:
        timed = [cell for cell in cells if cell.parts]
        assert {cell.framework for cell in timed} == {"pt", "tf"}
        assert all(cell.input_mode == "device" for cell in timed)
        assert all(cell.exchange == (cell.replicas == 1) for cell in timed)
        assert all(cell.exchange for cell in cells if not cell.parts)


def test_the_sets_survive_writing(plan: Plan, tmp_path: Path) -> None:
    read = read_plan(json.loads(json.dumps(plan.to_json())), tmp_path)
    assert [[cell.cell_id for cell in cells] for cells in read.sets] == [
        [cell.cell_id for cell in cells] for cells in plan.sets
    ]


def test_texts_are_padded_to_one_width() -> None:
    notes: list[str] = []
    bucketed = tiny_text.workload(input__buckets=(16,))
    changed = one_width(bucketed, notes)
    assert changed.input.buckets == ()  # type: ignore[union-attr]
    assert len(notes) == 1
    assert one_width(changed, notes) is changed
    assert len(notes) == 1


def test_records_of_one_attempt_overlap() -> None:
    first = cell_record("pt", 1, "disk", 0, started="2026-01-01T00:00:00+00:00", wall_seconds=60.0)
    beside = cell_record("pt", 1, "device", 0, started="2026-01-01T00:00:02+00:00", wall_seconds=30.0)
    later = cell_record("pt", 1, "memory", 0, started="2026-01-01T00:05:00+00:00", wall_seconds=60.0)
    assert ran_together([first, beside])
    assert not ran_together([first, beside, later])


def test_a_set_of_two_attempts_is_not_finished(plan: Plan) -> None:
    def record_of(index: int, **changes: object) -> object:
        return cell_record("pt", 1, "disk", 0, cell_id=plan.sets[0][index].cell_id, **changes)

    whole = [record_of(index) for index in range(6)]
    assert finished_cells(plan, whole) == {cell.cell_id for cell in plan.sets[0]}  # type: ignore[arg-type]
    assert finished_cells(plan, whole[:5]) == set()  # type: ignore[arg-type]
    mixed = [*whole[:5], record_of(5, started="2026-01-02T00:00:00+00:00")]
    assert finished_cells(plan, mixed) == set()  # type: ignore[arg-type]


def test_an_attributions_records_are_no_throughputs() -> None:
    own, other = attribution_records(repeats=1), [plain_record("disk")]
    assert plain([*own, *other]) == other
    assert {(record.input_mode, record.exchange) for record in tabled(own)} == {("disk", True)}
    assert all(record.exchange for group in group_records(own) for record in group.records)


def test_the_failed_cells_of_an_attribution_are_its_own_too() -> None:
    own = [each.model_copy(update={"status": "crash"}) for each in attribution_records(replicas=(1,), repeats=1)]
    other = plain_record("memory")
    assert attributions([*own, other]) == own
    assert plain([*own, other]) == [other]
    assert [record.input_mode for record in tabled(own)] == ["disk", "disk"]
