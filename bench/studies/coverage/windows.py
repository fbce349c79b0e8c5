"""How far the step time still falls in a window, after the warm-up of shared/warmup.py, in simulated step times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.statistics.steps import Floats, thirds
from shared.warmup import WarmUp, most_steps

LEAST, MEASURED = 5, 30  # steps, as in the presets `quick`
MUCH = 0.1  # of the step time, between a window's first third and its last
ALIKE = 0.45  # neighbouring steps (results/reference/noise.md)
FIRST = 20.0  # times as long: the first step compiles

Shape = Callable[[np.random.Generator, Floats], Floats]  # step numbers to seconds without noise


@dataclass(frozen=True)
class Outcome:
    """What a warm-up came to."""

    steps: int
    is_stationary: bool | None
    drift: float  # first third of the window over its last, less 1
    drift_of_least: float  # the same of a window that had begun after the least steps


def flat(draws: np.random.Generator, steps: Floats) -> Floats:
    """Nothing falls."""
    return np.ones(len(steps))


def falling(by: float, within: float) -> Shape:
    """Step times that fall exponentially to 1.

    Args:
        by: above it at the first step behind the one that compiles.
        within: steps in which a factor e of that is gone.
    """
    return lambda draws, steps: 1 + by * np.exp(-(steps - 1) / within)


def disturbed(shape: Shape, times: float = 2.0, steps_long: int = 3) -> Shape:
    """A shape with some steps of the least warm-up that take so many times as long."""

    def with_disturbance(draws: np.random.Generator, steps: Floats) -> Floats:
        begin = draws.integers(1, LEAST + 1 - steps_long)
        slow = (steps >= begin) & (steps < begin + steps_long)
        return shape(draws, steps) * np.where(slow, times, 1.0)

    return with_disturbance


SHAPES: dict[str, Shape] = {
    "flat": flat,
    "flat, disturbed": disturbed(flat),
    "falls by half, within 3 steps": falling(1.0, 3.0),
    "the same, disturbed": disturbed(falling(1.0, 3.0)),
    "falls by half, within 6 steps": falling(1.0, 6.0),
    "the same, disturbed ": disturbed(falling(1.0, 6.0)),
}
NOISES = (0.03, 0.10)  # standard deviation of a step


def step_seconds(draws: np.random.Generator, shape: Shape, noise: float) -> Floats:
    """Times of as many steps as a cell may have, (steps,); neighbours are alike by ALIKE."""
    count = most_steps(LEAST) + MEASURED
    shocks = draws.normal(0.0, noise * np.sqrt(1 - ALIKE**2), count)
    errors = np.array(list(itertools.accumulate(shocks, lambda last, shock: ALIKE * last + shock)))
    seconds = np.maximum(shape(draws, np.arange(count, dtype=np.float64)) * (1 + errors), 0.05)
    seconds[0] *= FIRST
    return seconds


def simulate(seconds: Floats) -> Outcome:
    """Warm up by the rule, on a clock that the steps advance."""
    warmup = WarmUp(LEAST, most_steps(LEAST) - LEAST)
    ends = np.concatenate([[0.0], np.cumsum(seconds)])
    last = 0
    for step in range(len(seconds)):
        if warmup.is_checkpoint(step):
            warmup.check(step, float(ends[step]), float(max(1, step - last)))
            last = step
            if warmup.is_over(step):
                break
    drifts = [thirds(seconds[start : start + MEASURED].tolist()).drift for start in (step, LEAST)]
    return Outcome(step, warmup.is_stationary, *drifts)


def outcomes(shape: Shape, noise: float, experiments: int, seed: int = 0) -> list[Outcome]:
    """Of so many warm-ups of one kind."""
    draws = np.random.default_rng(seed)
    return [simulate(step_seconds(draws, shape, noise)) for _ in range(experiments)]


def table(experiments: int) -> Iterator[str]:
    """A line a shape and noise."""
    yield "| step times | noise % | still falls by > 10 % | after the least steps | warm-up, steps | stood still |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, shape in SHAPES.items():
        for noise in NOISES:
            found = outcomes(shape, noise, experiments)
            shares = [
                np.mean([each.drift > MUCH for each in found]),
                np.mean([each.drift_of_least > MUCH for each in found]),
            ]
            texts = [f"{100 * share:.1f} %" for share in shares]
            texts.append(f"{np.mean([each.steps for each in found]):.1f}")
            texts.append(f"{100 * np.mean([each.is_stationary is True for each in found]):.0f} %")
            yield f"| {name.strip()} | {100 * noise:g} | {' | '.join(texts)} |"
