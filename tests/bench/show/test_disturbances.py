"""What spoils a figure is known from its record and said wherever the figure is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.compare.rows import compare
from bench.compare.sources import read_source
from bench.records.repeats import rows
from bench.records.usage import GpuProcess, GpuUsage, Usage
from bench.report.notices import notices
from bench.show.captions import caption
from bench.show.disturbances import cell_text, disturbances, sides_text
from bench.show.groups import group_records
from bench.show.table_notes import ratio_lines
from bench.show.tables import notes
from tests.bench.compare.records import make_record, write_run


def usage(**changes: Any) -> Usage:
    return Usage(seconds=10.0, **changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"usage": usage(other_cores=0.8)}, "other processes kept 0.8 cores busy"),
        ({"usage": usage(stolen_cores=0.5)}, "the hypervisor gave 0.5 of its cores to others"),
        (
            {"usage": usage(gpus=[GpuUsage(selector="3", throttle_reasons={"hardware thermal slowdown": 0.4})])},
            "GPU 3 lowered its clocks (hardware thermal slowdown, 40 % of the time)",
        ),
        (
            {"usage": usage(gpus=[GpuUsage(selector="3", other_processes=[GpuProcess(pid=7, name="x", memory=None)])])},
            "GPU 3 also runs x (7)",
        ),
        (
            {"usage": usage(cpu_quota=2.0, quota_periods=100, throttled_periods=30)},
            "the CPU quota stopped its threads in 30 of 100 periods",
        ),
        (
            {"usage": usage(cpu_quota=1.5), "replicas": 2, "cores_per_replica": 1},
            "its 2 cores had a CPU quota of 1.5 cores' time",
        ),
        (
            {"window_drift": 0.15, "window_drift_noise": 0.02},
            "the first third of its window was 15 % slower than the last",
        ),
        (
            {"window_drift": -0.2, "window_drift_noise": 0.02},
            "the first third of its window was 20 % faster than the last",
        ),
        (
            {"window_drift": 0.15, "window_drift_noise": 0.1},
            "the first third of its window was 15 % slower than the last, which its noise explains",
        ),
        ({"warmup_stationary": False}, "its step time did not stand still before the window"),
        ({"retraces": 3}, "its step was compiled anew 3 times in warm-up or window"),
        ({"status": "diverged", "reason": "loss is NaN at step 4"}, "its training diverged: loss is NaN at step 4"),
    ],
)
def test_what_spoils_a_figure(changes: dict[str, Any], words: str) -> None:
    assert disturbances(make_record(**changes)) == [words]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"usage": usage(other_cores=0.1, stolen_cores=0.05)},
        {"usage": usage(gpus=[GpuUsage(selector="0", throttle_reasons={"software power cap": 0.04})])},
        {"usage": usage(gpus=[GpuUsage(selector="0", throttle_reasons={"applications clocks setting": 1.0})])},
        {"usage": usage(cpu_quota=2.0, quota_periods=1000, throttled_periods=1), "replicas": 2},
        {"window_drift": 0.08, "window_drift_noise": 0.0},
        {"warmup_stationary": None, "retraces": 0},
        {"status": "crash", "reason": "exit status 1", "usage": usage(other_cores=3.0)},  # there is no figure to spoil
    ],
)
def test_what_spoils_none(changes: dict[str, Any]) -> None:
    assert disturbances(make_record(**changes)) == []


def test_the_repeats_that_were_disturbed_are_named() -> None:
    noisy, slow = usage(other_cores=0.8), {"warmup_stationary": False}
    assert cell_text([make_record(), make_record(repeat=1)]) is None
    assert cell_text([make_record(usage=noisy), make_record(repeat=1, usage=noisy)]) == (
        "other processes kept 0.8 cores busy"
    )
    three = [make_record(**slow), make_record(repeat=1, usage=noisy), make_record(repeat=2, **slow)]
    assert cell_text(three) == (
        "its step time did not stand still before the window (repeats 0, 2); "
        "other processes kept 0.8 cores busy (repeat 1)"
    )
    many = [make_record(repeat=n, usage=usage(other_cores=1.0 + n)) for n in range(9)]
    assert (cell_text(many) or "").endswith("; and 6 more")


def test_a_comparison_says_which_side_was_disturbed() -> None:
    alone, beside = make_record("pt"), make_record("tf", usage=usage(other_cores=1.0))
    assert sides_text({"PyTorch": [alone], "TensorFlow": [alone]}) is None
    assert sides_text({"PyTorch": [alone], "TensorFlow": [beside]}) == (
        "disturbed: PyTorch in none, TensorFlow in 1 of 1 repeats"
    )


def test_every_place_that_shows_a_figure_says_what_disturbed_it(tmp_path: Path) -> None:
    records = [make_record("pt"), make_record("tf", usage=usage(other_cores=1.0))]
    words = "TensorFlow at 1 replica: other processes kept 1.0 cores busy"
    assert words in notes(records)
    (line,) = ratio_lines(rows(records))
    assert line.endswith("; disturbed: PyTorch in none, TensorFlow in 1 of 1 repeats")
    assert any(
        notice.tone == "bad" and f"Disturbed: 1 of 2 cells. {words}" in notice.text for notice in notices(records)
    )
    (group,) = group_records(records)
    assert "1 of 2 cells disturbed" in caption(group)
    runs = [write_run(tmp_path / name, record) for name, record in zip("ab", records, strict=True)]
    found = compare(*(read_source(str(run)) for run in runs))
    assert any("disturbed: A in none, B in 1 of 1 repeats; B: other processes kept 1.0" in note for note in found.notes)
