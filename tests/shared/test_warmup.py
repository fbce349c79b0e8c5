"""The warm-up ends when the step time stands still: not before the workload's least, not after its bound."""

from __future__ import annotations

import itertools

import pytest

from shared.warmup import MOST, TOLERANCE, WarmUp, most_steps


def begins_at(least: int, spare: int, seconds: list[float]) -> tuple[int, bool | None]:
    """The first measured step where step k takes seconds[k] (the last one's for all that follow)."""
    warmup, now = WarmUp(least, spare), 0.0
    for step in itertools.count():
        if warmup.is_checkpoint(step):
            before = getattr(warmup, "_last", None)
            warmup.check(step, now, step - before[0] if before else 1)
            if warmup.is_over(step):
                return step, warmup.is_stationary
        now += seconds[min(step, len(seconds) - 1)]
    raise AssertionError


def test_steady_steps_need_no_more_than_the_least() -> None:
    assert begins_at(5, 100, [9.0, 1.0]) == (5, True)  # the first step, which compiles, is in no block
    assert begins_at(10, 100, [9.0, 1.0]) == (10, True)


def test_steps_that_still_get_faster_are_waited_for() -> None:
    start, stationary = begins_at(5, 100, [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    # blocks of two, 1-2 first: they take 15, 11, 7, 3, 2 and 2 seconds
    assert (start, stationary) == (13, True)


def test_a_step_time_that_never_stands_still_is_given_up_at_the_bound() -> None:
    falling = [0.8**step for step in range(200)]
    assert begins_at(5, 100, falling) == (most_steps(5), False)
    assert begins_at(5, 7, falling) == (12, False)  # the training has no more steps to spare
    assert begins_at(5, 0, falling) == (5, False)
    assert most_steps(5) == MOST * 5


def test_steps_that_get_slower_are_no_warm_up() -> None:
    assert begins_at(5, 100, [1.0, 1.0, 1.0, 3.0, 3.0]) == (5, True)


@pytest.mark.parametrize(("gain", "over"), [(0.5 * TOLERANCE, True), (2 * TOLERANCE, False)])
def test_what_is_noise_and_what_a_trend(gain: float, over: bool) -> None:
    start, _ = begins_at(5, 100, [1.0, 1.0, 1.0, 1.0 - gain])
    assert (start == 5) is over


@pytest.mark.parametrize("least", [1, 2])
def test_too_few_steps_to_tell_are_taken_as_asked_for(least: int) -> None:
    assert begins_at(least, 100, [9.0, 1.0]) == (least, None)
    assert most_steps(least) == least


def test_work_that_differs_is_not_taken_for_a_trend() -> None:
    """Texts of other lengths: a block of half the tokens takes half the time, and nothing has become faster."""
    warmup = WarmUp(5, 100)
    for step, now, work in ((1, 0.0, 1.0), (3, 2.0, 200.0), (5, 3.0, 100.0)):
        assert warmup.is_checkpoint(step)
        warmup.check(step, now, work)
    assert warmup.is_over(5)
