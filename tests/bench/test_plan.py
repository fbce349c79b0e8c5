"""The plan as data: cores, steps, and that it survives being written and read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import machine
from bench.plan import Pages, Plan, Request, core_groups, make_plan
from bench.resolve import fit_to_pages
from bench.run import in_directory, limits_for
from shared import spec

PAGES = Pages("store", "noise", "0", 16, 32, {"train": 24, "val": 4, "test": 7})


@pytest.fixture
def plan(workload_file: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.setattr(machine, "usable_cores", lambda: [3, 5, 6, 7])
    request = Request(gpus=(1, 2))
    workload, epochs, _ = fit_to_pages(request, spec.load(str(workload_file)), PAGES)
    return make_plan(request, workload, PAGES, epochs, gpus=[])


@pytest.mark.parametrize(
    ("cores", "replicas", "size", "groups"),
    [
        ([0, 1], 1, 1, ((0,),)),
        ([0, 1, 2, 3], 2, 2, ((0, 1), (2, 3))),
        ([3, 5], 4, 1, ((3,), (5,), (3,), (5,))),
        ([0, 1, 2], 2, 2, ((0, 1), (2, 0))),
    ],
)
def test_core_groups(cores: list[int], replicas: int, size: int, groups: tuple[tuple[int, ...], ...]) -> None:
    assert core_groups(cores, replicas, size) == groups


def test_replicas_have_as_many_cores_at_every_count(plan: Plan) -> None:
    by_replicas = {cell.replicas: cell for cell in plan.cells}
    assert by_replicas[1].cores == ((3, 5),)
    assert by_replicas[2].cores == ((3, 5), (6, 7))
    assert {cell.threads_per_replica for cell in plan.cells} == {2}


def test_total_steps(plan: Plan) -> None:
    one = next(cell for cell in plan.cells if cell.replicas == 1)
    assert plan.total_steps(one) == 2 * 12
    assert plan.total_steps(replace(one, epochs=0)) == 1 + 4
    assert plan.total_steps(replace(one, finetune=True)) == 3 * 12


def test_a_plan_survives_writing_and_moving(plan: Plan, tmp_path: Path) -> None:
    placed = in_directory(plan, tmp_path / "here")
    moved = Plan.from_json(json.loads(json.dumps(placed.to_json())), tmp_path / "there")
    assert moved == in_directory(plan, tmp_path / "there")


def test_a_timeout_is_the_users(plan: Plan) -> None:
    assert limits_for(plan, None).evaluation_samples == 24
    assert limits_for(plan, 7.0).steady == 7.0
    assert limits_for(replace(plan, timeout=9.0), None).first_step == 9.0
    assert limits_for(replace(plan, timeout=9.0), 7.0).start == 7.0
