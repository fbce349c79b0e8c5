"""What the warm-up leaves of a fall in the window, in simulated step times; and the command that prints it all."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from bench.studies.coverage.__main__ import main
from bench.studies.coverage.windows import LEAST, MUCH, Shape, disturbed, falling, flat, outcomes
from shared.warmup import most_steps

EXPERIMENTS = 400
FALLING = falling(1.0, 3.0)


def share_falling(shape: Shape, noise: float) -> float:
    return float(np.mean([each.drift > MUCH for each in outcomes(shape, noise, EXPERIMENTS)]))


@pytest.mark.parametrize("shape", [flat, disturbed(flat), FALLING, disturbed(FALLING)])
def test_a_window_hardly_ever_begins_while_steps_still_fall(shape: Shape) -> None:
    assert share_falling(shape, noise=0.03) <= 0.05


@pytest.mark.parametrize("shape", [FALLING, disturbed(FALLING), falling(1.0, 6.0), disturbed(falling(1.0, 6.0))])
@pytest.mark.parametrize("noise", [0.03, 0.10])
def test_far_fewer_fall_than_after_the_least_steps(shape: Shape, noise: float) -> None:
    of_least = np.mean([each.drift_of_least > MUCH for each in outcomes(shape, noise, EXPERIMENTS)])
    assert share_falling(shape, noise) < of_least / 2


@pytest.mark.parametrize("shape", [flat, FALLING, falling(1.0, 6.0)])
def test_a_disturbance_never_makes_a_warm_up_shorter(shape: Shape) -> None:
    without, with_one = (outcomes(each, 0.001, EXPERIMENTS) for each in (shape, disturbed(shape)))
    assert min(each.steps for each in with_one) >= min(each.steps for each in without)
    assert np.mean([each.steps for each in with_one]) >= np.mean([each.steps for each in without])


@pytest.mark.parametrize("noise", [0.03, 0.5])
def test_the_bounds_hold_whatever_the_noise(noise: float) -> None:
    found = outcomes(flat, noise, EXPERIMENTS)
    assert all(LEAST <= each.steps <= most_steps(LEAST) for each in found)
    assert all(each.is_stationary is True for each in found if each.steps < most_steps(LEAST))


def test_the_command_prints_three_tables_and_says_how_they_were_made() -> None:
    result = CliRunner().invoke(main, ["--experiments", "1000", "--windows", "100"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.startswith("Printed by `python -m bench.studies.coverage`: 1,000 simulated runs a line")
    assert result.output.count("\n| --- |") == 3
    assert all(len(line) <= 120 for line in result.output.splitlines())
