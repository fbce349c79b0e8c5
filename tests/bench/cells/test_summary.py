"""The formulas, against answers known beforehand: a fake clock, 1, 2 and 4 ranks."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from bench.cells.launch import Outcome
from bench.cells.summary import (
    ImpossibleError,
    counts,
    make_record,
    measured_figures,
    scores,
    throughput,
)
from bench.records.repeats import efficiency
from bench.statistics.steps import percentile
from shared.events import Evaluation, Event, Memory, Parts, Step, Window
from shared.protocol import Cell
from shared.tasks import task
from tests.bench.record_maker import CONTEXT

AT: dict[str, Any] = {"rank": 0, "time": 0.0}


def window(seconds: float, samples: int, steps: int = 50, tokens: int | None = None, retraces: int = 0) -> Window:
    return Window(
        **AT, seconds=seconds, steps=steps, samples=samples, tokens=tokens, retraces=retraces, warmup=10,
        stationary=True, turns=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(10.0, 800)], 80.0),
        ([window(10.0, 800), window(10.0, 800)], 160.0),  # summed over ranks, not averaged
        ([window(10.0, 800), window(12.5, 800)], 128.0),  # the slowest rank's time, not the mean
        ([window(10.0, 800)] * 4, 320.0),
        ([window(8.0, 800), window(10.0, 800), window(16.0, 800), window(9.0, 800)], 200.0),
        ([window(10.0, 3200)], 320.0),  # one process that drives four replicas
        ([window(10.0, 800, steps=100)], 80.0),  # the number of steps has no part in it
    ],
)
def test_throughput(windows: list[Window], expected: float) -> None:
    assert throughput(windows) == pytest.approx(expected)


@pytest.mark.parametrize(("speedup", "replicas", "share"), [(1.0, 1, 1.0), (2.0, 2, 1.0), (3.0, 4, 0.75)])
def test_efficiency(speedup: float, replicas: int, share: float) -> None:
    assert efficiency(speedup, replicas) == pytest.approx(share)


def test_percentile() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3.0
    assert percentile(list(range(101)), 95) == 95.0


def evaluation(split: str, stage: str = "train", **counts: float) -> Evaluation:
    return Evaluation(**AT, split=split, stage=stage, counts=counts)


def right(split: str, correct: int, samples: int, stage: str = "train") -> Evaluation:
    return evaluation(split, stage, correct=correct, samples=samples, loss=1.0)


def given(split: str, hits: int, predicted: int, relevant: int, stage: str = "train") -> Evaluation:
    return evaluation(split, stage, samples=1, correct=0, hits=hits, predicted=predicted, relevant=relevant)


def test_scores_are_of_samples_not_of_ranks() -> None:
    ranks = [
        [right("test", 0, 4), right("test", 4, 4), right("test", 1, 4, "finetune")],  # the last of a stage counts
        [right("test", 1, 1), right("test", 1, 1, "finetune"), right("val", 0, 0)],
    ]
    assert counts(ranks)["train"]["test"] == {"correct": 5, "samples": 5, "loss": 2.0}
    assert scores(task("classification"), ranks) == {
        "train": {"test": {"accuracy": 1.0}},  # nothing of a split without samples
        "finetune": {"test": {"accuracy": pytest.approx(2 / 5)}},
    }


def test_f1_is_of_all_ranks_labels_together() -> None:
    ranks = [
        [given("test", 9, 9, 9), given("test", 3, 4, 6)],
        [given("test", 1, 1, 4), given("val", 0, 0, 0)],
        [given("test", 1, 1, 1, "finetune")],
    ]
    found = scores(task("labels"), ranks)
    # 2 * (3 + 1) / ((4 + 1) + (6 + 4)), not the mean of 0.6 and 0.4; no label given and none right is no score
    assert found["train"] == {
        "test": {"f1": pytest.approx(8 / 15), "accuracy": 0.0},
        "val": {"f1": 0.0, "accuracy": 0.0},
    }
    assert found["finetune"]["test"]["f1"] == 1.0


@pytest.mark.parametrize("wrong", [{}, {"samples": 2}, {"correct": 1}])
def test_counts_that_are_not_the_tasks_are_impossible(wrong: dict[str, float]) -> None:
    with pytest.raises(ImpossibleError, match=r"scores: train\.test: counts "):
        scores(task("classification"), [[evaluation("test", **wrong)]])


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(10.0, 800, tokens=4000)], 400.0),
        ([window(10.0, 800, tokens=4000), window(10.0, 800, tokens=2000)], 600.0),  # summed over ranks
        ([window(10.0, 800, tokens=4000), window(16.0, 800, tokens=4000)], 500.0),  # the slowest rank's time
        ([window(10.0, 3200, tokens=0)], 0.0),
    ],
)
def test_tokens_per_second(windows: list[Window], expected: float) -> None:
    assert measured_figures([[one] for one in windows])["tokens_per_second"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "ranks",
    [[[window(10.0, 800)]], [[window(10.0, 800, tokens=5)], []], [[window(1.0, 8, tokens=5)], [window(1.0, 8)]]],
)
def test_no_tokens_per_second_of_pages_or_where_a_rank_has_none(ranks: list[list[Event]]) -> None:
    assert "tokens_per_second" not in measured_figures(ranks)


def test_retraces_add_up_over_ranks() -> None:
    assert measured_figures([[window(1.0, 8, retraces=2)], [window(1.0, 8, retraces=1)]])["retraces"] == 3
    assert measured_figures([[window(1.0, 8)], [window(1.0, 8)]])["retraces"] == 0


def step(seconds: float, wait: float = 0.0) -> Step:
    return Step(**AT, index=0, seconds=seconds, wait=wait, measured=True)


def test_a_record_says_how_far_the_step_time_moved_in_the_window() -> None:
    steps = [step(seconds) for seconds in [1.25, 1.15] * 5 + [1.0] * 10 + [1.05, 0.95] * 5]
    figures = measured_figures([[*steps, window(30.0, 800)], [window(30.0, 800)]])
    assert figures["window_drift"] == pytest.approx(0.2)
    # nearly independent neighbours: 5 % of either third's 10 steps, over their root
    assert 0.015 < figures["window_drift_noise"] < 0.06


@pytest.mark.parametrize("seconds", [[], [1.0, 1.0], [1.0, 0.0, 1.0], [1.0, float("nan"), 1.0]])
def test_steps_that_cannot_tell_say_nothing_of_drift(seconds: list[float]) -> None:
    figures = measured_figures([[*map(step, seconds), window(30.0, 800)]])
    assert "window_drift" not in figures
    assert figures["throughput"] == pytest.approx(800 / 30)


def test_no_throughput_where_a_rank_has_no_window() -> None:
    figures = measured_figures([[window(10.0, 800)], []])
    assert "throughput" not in figures
    assert figures["window_seconds"] == [10.0]


def test_only_the_first_window_of_a_rank_counts() -> None:
    assert measured_figures([[window(10.0, 800), window(1.0, 800)]])["throughput"] == 80.0


def test_memory_footprints_add_up_and_allocator_peaks_do_not() -> None:
    ranks = [[Memory(**AT, rss_peak=10, allocator_peak=7)], [Memory(**AT, rss_peak=20, allocator_peak=9)]]
    figures = measured_figures(ranks)
    assert (figures["memory_rss_peak"], figures["memory_allocator_peak"]) == (30, 9)
    assert "memory_allocator_peak_run" not in figures, "a worker may say nothing of it"
    ranks[0] = [Memory(**AT, rss_peak=10, allocator_peak=7, allocator_peak_run=12)]
    assert measured_figures(ranks)["memory_allocator_peak_run"] == 12


def test_nothing_said_is_nothing_measured() -> None:
    figures = measured_figures([[], []])
    assert figures["num_parameters"] is None
    assert "throughput" not in figures
    assert "time_to_first_step" not in figures


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (step(-1.0), "step_seconds"),
        (step(1.0, wait=float("nan")), "wait_seconds"),
        (right("test", 3, 2), r"scores: train\.test\.accuracy: 1\.5"),
        (right("test", -1, 2), r"scores: train\.test\.accuracy: -0\.5"),
        (right("test <b>", 1, 2), r"scores\.train\.test <b>"),
        (evaluation("test", samples=2.0), r"scores: train\.test: counts"),
        (Memory(**AT, rss_peak=10**30, allocator_peak=None), "memory_rss_peak"),
        (Parts(**AT, seconds={"forward": [-1.0]}), "part_seconds"),
        (window(1.0, -800), "throughput"),
    ],
)
def test_a_worker_that_reports_the_impossible_has_crashed(
    make_cell: Callable[..., Cell], event: Event, field: str
) -> None:
    cell = make_cell(replicas=1)
    outcome = Outcome("ok", None, [[event]], "2026-01-01T00:00:00+00:00", 1.0, 0.0)
    record = make_record(cell, outcome, {"env.A": "1"}, **CONTEXT)
    assert record.status == "crash"
    assert re.search(f"impossible {field}", str(record.reason))
    assert record.throughput is None
    assert record.settings == {"env.A": "1"}
