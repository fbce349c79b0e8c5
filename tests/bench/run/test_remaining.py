"""How long the rest of a run will take."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.run.remaining import Remaining
from shared.protocol import Cell

MakeCell = Callable[..., Cell]


@pytest.fixture
def cells(make_cell: MakeCell) -> list[Cell]:
    return [make_cell(framework, replicas) for framework in ("pt", "tf") for replicas in (1, 2)]


def kind(cell: Cell) -> str:
    return cell.framework


def test_nothing_is_known_of_a_first_run(cells: list[Cell]) -> None:
    remaining = Remaining([[cell] for cell in cells], {}, kind)
    assert remaining.seconds(0) is None
    assert remaining.after(0) is None
    # but for the one that is under way: the others should take as long
    assert remaining.after(0, present=30.0) == 90.0


def test_the_finished_cells_of_a_kind_tell_of_the_others(cells: list[Cell]) -> None:
    remaining = Remaining([[cell] for cell in cells], {}, kind)
    remaining.finished(0, 10.0)
    assert [remaining.seconds(index) for index in (1, 2)] == [10.0, 10.0]
    remaining.finished(2, 40.0)
    assert [remaining.seconds(index) for index in (1, 3)] == [10.0, 40.0]


def test_earlier_runs_are_put_right_by_this_one(cells: list[Cell]) -> None:
    told = {cell.cell_id: 10.0 * (number + 1) for number, cell in enumerate(cells)}
    remaining = Remaining([[cell] for cell in cells], told, kind)
    assert remaining.after(0) == 90.0
    remaining.finished(0, 15.0)
    assert remaining.after(0) == 135.0
    assert remaining.after(3) == 0.0


def test_cells_that_take_turns_take_as_long_as_all_of_them(cells: list[Cell]) -> None:
    told = {cell.cell_id: 10.0 for cell in cells}
    assert Remaining([cells[:2], cells[2:]], told, kind).seconds(1) == 20.0
    del told[cells[3].cell_id]
    assert Remaining([cells[:2], cells[2:]], told, kind).seconds(1) is None
