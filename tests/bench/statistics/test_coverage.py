"""How often the 95 % intervals hold a truth that is known: 93 to 97 times in a hundred, whatever the noise.

Processes are simulated as they are measured: a process has its own speed, its steps follow one another with an AR(1)
noise and drift within the window, and the machine drifts over the repeats. The sizes are those of real runs on two
cores, from results/reference/noise.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from bench.statistics.intervals import Estimate, median, ratio
from bench.statistics.steps import Floats

BETWEEN = 0.10  # from process to process: "between processes", 9.6 % and 10.9 %
WITHIN = 0.11  # from step to step in a process: "within a process", 9.9 % and 12.0 %
ALIKE = 0.45  # neighbouring steps: "autocorrelation", 0.46 and 0.33; 0.5 to 0.6 in runs of one repeat
WINDOW_DRIFT = 0.20  # standard deviation of "drift in a window"; seen from -48 % to +25 %
RUN_DRIFT = -0.07  # "drift over the repeats", -1.3 % and -7.2 %
STEPS = 30

TRUTHS, EXPERIMENTS = 1000, 4  # each truth is measured so often: the share of intervals that hold it is known to 0.3 %
REPEATS = (5, 7, 10, 20)
LOWEST, HIGHEST = 0.93, 0.97

Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]
# the speeds of processes about 1, their median
NOISES: dict[str, Noise] = {
    "normal": lambda rng, shape: np.maximum(1 + BETWEEN * rng.normal(size=shape), 0.1),
    "lognormal": lambda rng, shape: np.exp(3 * BETWEEN * rng.normal(size=shape)),  # clearly skewed
    "heavy-tailed": lambda rng, shape: np.exp(BETWEEN * rng.standard_t(3, size=shape)),
}


def throughputs(rng: np.random.Generator, noise: Noise, places: Floats) -> Floats:
    """Simulated processes about a throughput of 1.

    Args:
        places: of each process in its run, 0 the first and 1 the last.
    """
    shape = places.shape
    shocks = rng.normal(0.0, WITHIN * np.sqrt(1 - ALIKE**2), (*shape, STEPS + 20))
    steps = 1 + lfilter([1], [1, -ALIKE], shocks, axis=-1)[..., 20:]
    steps += rng.normal(0.0, WINDOW_DRIFT, (*shape, 1)) * np.linspace(-0.5, 0.5, STEPS)
    assert (steps.mean(axis=-1) > 0).all()
    speed = noise(rng, shape) * (1 + RUN_DRIFT * (places - 0.5))
    return speed / steps.mean(axis=-1)


def places(experiments: int, count: int) -> Floats:
    return np.broadcast_to(np.linspace(0, 1, count), (experiments, count))


@cache
def true_median(noise: Noise) -> float:
    """Of the throughputs of processes anywhere in a run."""
    rng = np.random.default_rng(99)
    return float(np.median(throughputs(rng, noise, rng.random(200_000))))


def share(held: list[bool] | NDArray[np.bool_]) -> float:
    return float(np.mean(held))


def held_by(estimates: list[Estimate], truths: Floats) -> float:
    """The share of the intervals that hold their truth."""
    intervals = [estimate.interval for estimate in estimates]
    pairs = zip(intervals, truths, strict=True)
    return share([interval is not None and interval[0] <= truth <= interval[1] for interval, truth in pairs])


def coverage_of_medians(kind: str, count: int) -> float:
    """How often the interval of a median of so many repeats holds the truth."""
    noise, rng = NOISES[kind], np.random.default_rng(count)
    scales = np.repeat(np.exp(rng.uniform(-3, 7, TRUTHS)), EXPERIMENTS)  # samples/s, from 0.05 to 1,100
    values = scales[:, None] * throughputs(rng, noise, places(len(scales), count))
    return held_by([median(row) for row in values], scales * true_median(noise))


def coverage_of_ratios(kind: str, count: int) -> float:
    """How often the interval of a ratio of so many pairs holds the truth."""
    noise, rng = NOISES[kind], np.random.default_rng(100 + count)
    truths = np.repeat(np.exp(rng.uniform(-1, 1, TRUTHS)), EXPERIMENTS)
    # what the machine does meanwhile meets both of a pair, here a fall by half over the run
    together = 1 - 0.5 * places(len(truths), count)
    over = truths[:, None] * together * throughputs(rng, noise, places(len(truths), count))
    under = together * throughputs(rng, noise, places(len(truths), count))
    return held_by([ratio(*rows) for rows in zip(over, under, strict=True)], truths)


@pytest.mark.parametrize("count", REPEATS)
@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("coverage", [coverage_of_medians, coverage_of_ratios])
def test_intervals_hold_the_truth(coverage: Callable[[str, int], float], kind: str, count: int) -> None:
    assert LOWEST <= coverage(kind, count) <= HIGHEST


def test_a_percentile_bootstrap_of_seven_repeats_does_not() -> None:
    # why `median` is none: were this to hold too, a simpler method would do
    noise, rng = NOISES["normal"], np.random.default_rng(6)
    truth, values = true_median(noise), throughputs(rng, noise, places(1000, 7))
    resampled = np.median(values[:, rng.integers(0, 7, (1000, 7))], axis=-1)
    low, high = np.percentile(resampled, [2.5, 97.5], axis=-1)
    assert share((low <= truth) & (truth <= high)) < 0.91


def test_steps_taken_for_independent_values_would_hold_hardly_any_truth() -> None:
    # the mean of one process's 30 steps with the textbook interval: it knows nothing of the other processes
    noise, rng = NOISES["normal"], np.random.default_rng(7)
    truth, values = true_median(noise), throughputs(rng, noise, places(2000, 1))[:, 0]
    width = 1.96 * WITHIN / np.sqrt(STEPS)
    assert share((values * (1 - width) <= truth) & (truth <= values * (1 + width))) < 0.5


def main() -> None:
    """Print the shares as Markdown: `python -m tests.bench.statistics.test_coverage`."""
    print("| noise | repeats | medians | ratios of pairs |\n| --- | --- | --- | --- |")
    for kind in NOISES:
        for count in REPEATS:
            shares = coverage_of_medians(kind, count), coverage_of_ratios(kind, count)
            print(f"| {kind} | {count} | {100 * shares[0]:.1f} % | {100 * shares[1]:.1f} % |")


if __name__ == "__main__":
    main()
