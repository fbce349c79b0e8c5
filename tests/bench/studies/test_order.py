"""In the order of a plan, on a machine that drifts, intervals hold the truth; in one order always they would not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.records.repeats import rows
from bench.show.table_notes import column_ratios
from bench.statistics import intervals as stats
from bench.studies.coverage.order import (
    EFFICIENCIES,
    GPUS,
    SPEEDS,
    claims,
    coverage,
    in_one_order,
    intervals,
    moments,
    simulated_logs,
    simulated_plan,
    simulated_records,
)

EXPERIMENTS = 20_000
LOWEST = 0.93


@pytest.mark.parametrize("repeats", [5, 7])
@pytest.mark.parametrize("drift", [0.03, 0.10, -0.10])
@pytest.mark.parametrize("noise", [0.003, 0.01])
def test_intervals_hold_the_truth_in_the_plans_own_order(repeats: int, drift: float, noise: float) -> None:
    found = coverage(simulated_plan(repeats), drift, noise, EXPERIMENTS)
    assert len(found) == 2 * (len(GPUS) - 1) + len(GPUS)  # speedups of both columns, a framework ratio a size
    assert min(found.values()) >= LOWEST, found


@pytest.mark.parametrize("repeats", [5, 7])
def test_with_every_repeat_in_one_order_they_would_not(repeats: int) -> None:
    assert min(coverage(in_one_order(simulated_plan(repeats)), 0.10, 0.003, 2000).values()) < 0.5


def test_columns_and_replicas_are_reversed_every_second_repeat() -> None:
    plan = simulated_plan(4)
    each = [[(cell.replicas, cell.framework) for cell in plan.cells if cell.repeat == repeat] for repeat in range(4)]
    assert each[0] == [(replicas, framework) for replicas in GPUS for framework in ("pt", "tf")]
    assert each == [each[0], each[0][::-1]] * 2
    assert [cell.repeat for cell in plan.cells] == sorted(cell.repeat for cell in plan.cells)


def test_a_claim_has_a_pair_a_repeat_and_the_truth_of_its_speeds() -> None:
    plan = simulated_plan(5)
    found = {claim.name: claim for claim in claims(simulated_records(plan, [1.0] * len(plan.cells)))}
    assert all(len(claim.over) == len(claim.under) == 5 for claim in found.values())
    assert found["speedup of PyTorch at 4"].truth == 4 * EFFICIENCIES[4]
    assert found["TensorFlow / PyTorch at 2"].truth == SPEEDS["tf"] / SPEEDS["pt"]
    for claim in found.values():
        for over, under in zip(claim.over, claim.under, strict=True):
            assert plan.cells[over].repeat == plan.cells[under].repeat


@pytest.mark.parametrize("repeats", [5, 7])
def test_the_intervals_are_those_of_the_tables(repeats: int) -> None:
    """Of a few simulated runs the records go through the tables' own code, one by one."""
    plan = simulated_plan(repeats)
    empty = simulated_records(plan, [1.0] * len(plan.cells))
    logs = simulated_logs(empty, 0.10, 0.01, experiments=3)
    for run in range(3):
        found = rows(simulated_records(plan, np.exp(logs[run]).tolist()))
        speedups = [row.speedup for row in found if row.records[0].replicas > 1]
        shown = [*speedups, *(ratio for _, _, ratio in column_ratios(found))]
        for claim, estimate in zip(claims(empty), shown, strict=True):
            low, high = intervals(claim, logs[run])
            assert estimate is not None
            assert estimate.interval == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
            assert estimate.level == stats.rank_level(repeats, stats.nearest_rank(repeats, stats.LEVEL) or 0)


def test_a_drift_meets_every_cell_in_its_middle() -> None:
    plan = simulated_plan(5)
    found = moments(simulated_records(plan, [1.0] * len(plan.cells)))
    assert (np.diff(found) > 0).all()
    assert 0 < found[0] < 0.05
    assert 0.95 < found[-1] < 1
