"""The formulas, against answers known beforehand: a fake clock, 1, 2 and 4 ranks."""

from __future__ import annotations

import pytest

from bench.events import Event
from bench.summary import accuracy, efficiency, measured_figures, median_throughput, percentile, speedup, throughput


def window(seconds: float, samples: int, steps: int = 50) -> Event:
    return {"event": "window", "rank": 0, "time": 0.0, "seconds": seconds, "steps": steps, "samples": samples}


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
def test_throughput(windows: list[Event], expected: float) -> None:
    assert throughput(windows) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("one", "many", "replicas", "ratio", "share"),
    [(80.0, 80.0, 1, 1.0, 1.0), (80.0, 160.0, 2, 2.0, 1.0), (80.0, 240.0, 4, 3.0, 0.75), (80.0, 60.0, 2, 0.75, 0.375)],
)
def test_speedup_and_efficiency(one: float, many: float, replicas: int, ratio: float, share: float) -> None:
    assert speedup(many, one) == pytest.approx(ratio)
    assert efficiency(speedup(many, one), replicas) == pytest.approx(share)


def test_percentile() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3.0
    assert percentile(list(range(101)), 95) == 95.0
    assert median_throughput([]) is None


def evaluation(split: str, correct: int, total: int, stage: str = "train") -> Event:
    return {"event": "eval", "split": split, "correct": correct, "total": total, "loss": 1.0, "stage": stage}


def test_accuracy_counts_samples_not_ranks() -> None:
    ranks = [
        [evaluation("test", 0, 4), evaluation("test", 4, 4), evaluation("test", 1, 4, "finetune")],  # the last counts
        [evaluation("test", 1, 1), evaluation("test", 1, 1, "finetune"), evaluation("val", 0, 0)],
    ]
    assert accuracy(ranks, "train") == {"test": 1.0}
    assert accuracy(ranks, "finetune") == {"test": pytest.approx(2 / 5)}


def test_no_throughput_where_a_rank_has_no_window() -> None:
    figures = measured_figures([[window(10.0, 800)], []])
    assert "throughput" not in figures
    assert figures["window_seconds"] == [10.0]


def test_only_the_first_window_of_a_rank_counts() -> None:
    assert measured_figures([[window(10.0, 800), window(1.0, 800)]])["throughput"] == 80.0


def test_memory_footprints_add_up_and_allocator_peaks_do_not() -> None:
    ranks: list[list[Event]] = [
        [{"event": "memory", "rss_peak": 10, "allocator_peak": 7}],
        [{"event": "memory", "rss_peak": 20, "allocator_peak": 9}],
    ]
    figures = measured_figures(ranks)
    assert (figures["memory_rss_peak"], figures["memory_allocator_peak"]) == (30, 9)


def test_nothing_said_is_nothing_measured() -> None:
    figures = measured_figures([[], []])
    assert figures["num_parameters"] is None
    assert "throughput" not in figures
    assert "time_to_first_step" not in figures
