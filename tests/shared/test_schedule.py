"""The slanted triangle and the update rule, by known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import spec
from shared.schedule import learning_rates, peak_rate, slanted_triangular
from shared.sgd import sgd_step


@pytest.mark.parametrize(
    ("workers", "samples", "expected"), [(1, 16, 0.0125), (4, 16, 0.05), (16, 16, 0.2), (2, 8, 0.0125)]
)
def test_the_peak_is_the_papers(workers: int, samples: int, expected: float) -> None:
    assert peak_rate(0.2, workers * samples, 256) == pytest.approx(expected, rel=1e-15)


def test_a_whole_schedule() -> None:
    schedule = spec.load("effnet-b0").schedule
    values = learning_rates(schedule, schedule.peak_rate, 100, 64)
    assert values.dtype == np.float64
    assert len(values) == 100
    assert values[0] == pytest.approx(0.05 / 32)
    assert values[5] == pytest.approx(0.05 * (1 + 0.5 * 31) / 32)
    assert values[10] == values.max() == pytest.approx(0.05)
    assert values[55] == pytest.approx(0.05 * (1 + 0.5 * 31) / 32)
    assert values[99] == pytest.approx(0.05 * (1 + 31 / 90) / 32)


def test_shortest_schedules() -> None:
    assert slanted_triangular(1, 1.0, 0.1, 32.0).tolist() == [1 / 32]
    assert slanted_triangular(2, 1.0, 0.1, 32.0).tolist() == [1 / 32, 1.0]
    with pytest.raises(ValueError, match="at least one step, not 0"):
        slanted_triangular(0, 1.0, 0.1, 32.0)


@given(
    num_steps=st.integers(1, 500),
    peak=st.floats(1e-6, 10.0),
    cut=st.floats(0.001, 0.999),
    ratio=st.floats(1.0, 1000.0, exclude_min=True),
)
def test_a_schedule_climbs_to_its_peak_and_falls_within_its_bounds(
    num_steps: int, peak: float, cut: float, ratio: float
) -> None:
    values = slanted_triangular(num_steps, peak, cut, ratio)
    assert len(values) == num_steps
    assert values[0] == pytest.approx(peak / ratio)
    slack = 1e-12 * peak
    assert ((values >= peak / ratio - slack) & (values <= peak + slack)).all()
    top = int(values.argmax())
    assert (np.diff(values[: top + 1]) >= -slack).all()
    assert (np.diff(values[top:]) <= slack).all()
    if num_steps > 1:
        assert values[top] == pytest.approx(peak)


def test_two_steps_of_sgd_by_hand() -> None:
    weight, buffer = np.array([1.0]), np.zeros(1)
    weight, buffer = sgd_step(weight, buffer, np.array([0.5]), learning_rate=0.1, momentum=0.9, decay=0.01)
    assert buffer.tolist() == pytest.approx([0.51])
    assert weight.tolist() == pytest.approx([0.949])
    weight, buffer = sgd_step(weight, buffer, np.array([0.5]), learning_rate=0.2, momentum=0.9, decay=0.01)
    assert buffer.tolist() == pytest.approx([0.9 * 0.51 + 0.5 + 0.01 * 0.949])
    assert weight.tolist() == pytest.approx([0.949 - 0.2 * (0.9 * 0.51 + 0.50949)])
