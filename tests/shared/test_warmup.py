"""The warm-up ends when the step time stands still: not before the workload's least, not after its bound."""

from __future__ import annotations

import itertools

import pytest

from shared.warmup import MOST, TOLERANCE, WarmUp, most_steps

SPARE = 100


def begins_at(least: int, spare: int, seconds: list[float]) -> tuple[int, bool | None]:
    """The first measured step where step k takes seconds[k] (the last one's for all that follow)."""
    warmup, now, last = WarmUp(least, spare), 0.0, 0
    for step in itertools.count():
        if warmup.is_checkpoint(step):
            warmup.check(step, now, max(1, step - last))
            last = step
            if warmup.is_over(step):
                return step, warmup.is_stationary
        now += seconds[min(step, len(seconds) - 1)]
    raise AssertionError


def blocks_of_two(*paces: float) -> list[float]:
    """Steps of a warm-up of at least 5: the first, which compiles, then blocks of two that take so long a step."""
    return [9.0, *(pace for pace in paces for _ in range(2))]


def test_steady_steps_need_a_third_block_to_be_sure() -> None:
    assert begins_at(5, SPARE, [9.0, 1.0]) == (7, True)  # the first step, which compiles, is in no block
    assert begins_at(10, SPARE, [9.0, 1.0]) == (14, True)
    assert begins_at(3, SPARE, [9.0, 1.0]) == (4, True)


def test_steps_that_still_get_faster_are_waited_for() -> None:
    assert begins_at(5, SPARE, blocks_of_two(7.5, 5.5, 3.5, 1.5, 1.0)) == (15, True)


def test_a_slow_fall_does_not_pass_in_small_steps() -> None:
    """Each block 6 % faster than the one before it: the second of a row is 12 % faster than what was before the row."""
    falling = [0.94**block for block in range(6)]
    assert begins_at(5, SPARE, blocks_of_two(*falling)) == (15, True)


def test_one_block_that_agrees_is_not_enough() -> None:
    assert begins_at(5, SPARE, blocks_of_two(2.0, 2.0, 1.0)) == (11, True)


def test_a_step_time_that_never_stands_still_is_given_up_at_the_bound() -> None:
    falling = [0.8**step for step in range(200)]
    assert begins_at(5, SPARE, falling) == (most_steps(5), False)
    assert begins_at(5, 7, falling) == (12, False)  # the training has no more steps to spare
    assert begins_at(5, 0, falling) == (5, None)  # two blocks: too few to tell
    assert most_steps(5) == MOST * 5


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_disturbance_makes_a_warm_up_longer_and_never_shorter(place: int) -> None:
    falling = [4.0, 3.0, 2.2, 1.6, 1.2, 1.0]
    start, _ = begins_at(5, SPARE, blocks_of_two(*falling))
    for slow in ([8.0], [8.0, 8.0], [3.9, 8.0]):
        later, stationary = begins_at(5, SPARE, blocks_of_two(*falling[:place], *slow, *falling[place:]))
        assert (later >= start, stationary) == (True, True)


def test_slow_blocks_that_agree_with_each_other_end_nothing() -> None:
    assert begins_at(5, SPARE, blocks_of_two(1.0, 3.0)) == (most_steps(5), False)
    assert begins_at(5, SPARE, blocks_of_two(1.0, 3.0, 3.0, 1.0)) == (11, True)  # what it comes back to agrees


def test_a_disturbance_that_is_over_is_no_fall() -> None:
    """The block behind a slow one is faster than that one, and no faster than the one before it."""
    assert begins_at(5, SPARE, blocks_of_two(1.0, 2.0, 1.0)) == (9, True)


@pytest.mark.parametrize(("gain", "over"), [(0.5 * TOLERANCE, True), (2 * TOLERANCE, False)])
def test_what_is_noise_and_what_a_trend(gain: float, over: bool) -> None:
    start, _ = begins_at(5, SPARE, blocks_of_two(1.0, 1.0, 1.0 - gain))
    assert (start == 7) is over


@pytest.mark.parametrize("least", [1, 2])
def test_too_few_steps_to_tell_are_taken_as_asked_for(least: int) -> None:
    assert begins_at(least, SPARE, [9.0, 1.0]) == (least, None)
    assert most_steps(least) == least


def test_work_that_differs_is_not_taken_for_a_trend() -> None:
    """Texts of other lengths: a block of half the tokens takes half the time, and nothing has become faster."""
    warmup = WarmUp(5, SPARE)
    for step, now, work in ((1, 0.0, 1.0), (3, 2.0, 200.0), (5, 3.0, 100.0), (7, 4.5, 150.0)):
        assert warmup.is_checkpoint(step)
        warmup.check(step, now, work)
    assert warmup.is_over(7)
