"""Inferences as tables, figures, comparisons and reports show them: from records of known latencies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.cells.summary import inference_figures
from bench.compare.rows import compare
from bench.compare.show import csv as comparison_csv
from bench.compare.show import table as comparison_table
from bench.compare.sources import read_source, split_column
from bench.records.kinds import inferences, plain, tabled
from bench.records.latency import size_ratios, size_rows
from bench.records.record import Record, write_record
from bench.report.page import chapters, html
from bench.report.sources import read_run
from bench.run.figures import plot_records
from bench.show.figures.latency import latency_figure
from bench.show.figures.trade import latencies, trade_figure, trade_table, trades
from bench.show.groups import group_records
from bench.show.inference import cells_of, markdown, notes, ratio_lines
from shared.events import Latency
from tests.bench.record_maker import TEXT, make_record, scored

NOISE = (1.0, 1.01, 0.99, 1.02, 0.98)  # of repeats
PT, TF = 10.0, 12.0  # ms at batch 1


def answered(framework: str = "pt", repeat: int = 0, p50: float = PT, **changes: Any) -> Record:
    """A record of requests of one and of eight documents; eight take four times as long."""
    sizes = [
        {"batch": size, "widths": [128], "calls": 100, "first_ms": 300.0, "p50_ms": own, "p95_ms": 1.5 * own,
         "p99_ms": 2 * own, "prepare_ms": 0.5, "whole_p50_ms": own + 0.5, "whole_p95_ms": 1.5 * own + 0.5,
         "whole_p99_ms": 2 * own + 0.5, "samples_per_second": 1100 * size / own, "stationary": True,
         "rss_peak": 1 << 30}
        for size, own in ((1, p50 * NOISE[repeat % 5]), (8, 4 * p50 * NOISE[repeat % 5]))
    ]  # fmt: skip
    words = TEXT | {"mode": "infer", "inference": sizes, "wall_seconds": 9.0} | changes
    # both columns of a repeat run next to each other
    return make_record(framework, repeat=repeat, started=f"2026-01-01T00:0{repeat}:00+00:00", **words)


@pytest.fixture
def five() -> list[Record]:
    return [answered(name, repeat, p50) for repeat in range(5) for name, p50 in (("pt", PT), ("tf", TF))]


def test_a_row_per_column_and_batch_size_with_intervals_over_repeats(five: list[Record]) -> None:
    rows = size_rows(five)
    assert [(row.records[0].framework, row.batch) for row in rows] == [("pt", 1), ("pt", 8), ("tf", 1), ("tf", 8)]
    found = rows[0].estimate("p50_ms")
    assert found is not None
    assert found.value == pytest.approx(PT)
    assert found.interval == pytest.approx((9.8, 10.2))
    assert cells_of(rows[0])[3:6] == ["1", "10.00 [9.80, 10.20]", "15.00 [14.70, 15.30]"]
    ratios = [(b.batch, ratio) for _, b, ratio in size_ratios(rows)]
    assert [batch for batch, _ in ratios] == [1, 8]
    for _, ratio in ratios:
        assert ratio.value == pytest.approx(TF / PT)
        assert ratio.count == 5
        assert ratio.interval is not None
    assert ratio_lines(rows)[0].startswith("TensorFlow / PyTorch at 1 replica, batch 1: p50 1.20 [1.20, 1.20], 5 pairs")


def test_failures_are_rows(five: list[Record]) -> None:
    crashed = answered("tf", runtime="onnx", status="crash", reason="the export to ONNX failed: x", inference=[])
    short = answered("pt", runtime="onnx", inference=[
        answered().inference[0].model_dump(), {"batch": 8, "reason": "out of memory: no room"},
    ])  # fmt: skip
    rows = size_rows([*five, crashed, short])
    by_name = {(cells_of(row)[0], cells_of(row)[3]): cells_of(row)[-2] for row in rows}
    assert by_name["ONNX Runtime (TensorFlow)", "-"] == "crash"
    assert by_name["ONNX Runtime (PyTorch)", "1"] == "ok"
    assert by_name["ONNX Runtime (PyTorch)", "8"] == "not timed"
    said = "\n".join(notes(rows))
    assert "the export to ONNX failed: x" in said
    assert "ONNX Runtime (PyTorch) at batch 8: out of memory: no room; larger ones were not tried" in said
    assert latency_figure(group_records([*five, crashed, short])[0])
    text = markdown([*five, crashed])
    assert "speedup" not in text, "what only a training has stays away"
    assert "first step" not in text


def test_an_inference_stands_in_no_table_of_trainings(five: list[Record]) -> None:
    trained = make_record("pt", throughput=3.0)
    assert plain([*five, trained]) == tabled([*five, trained]) == [trained]
    assert inferences([*five, trained]) == five


def test_figures_and_report(five: list[Record], tmp_path: Path) -> None:
    paths = plot_records(five, tmp_path / "figures")
    assert {path.name for path in paths} == {"latency.png", "latency.svg"}
    for record in five:
        write_record(tmp_path / "run", record)
    page = html(chapters([read_run(tmp_path / "run")]))
    assert "Latency and throughput of every cell" in page
    assert (
        "TensorFlow&#39;s median latency at batch 1 and 1 replica is 1.20 [1.20, 1.20] of PyTorch&#39;s (shown)" in page
    )
    assert "Speedup" not in page


def test_two_inferences_are_compared_batch_size_by_batch_size(five: list[Record], tmp_path: Path) -> None:
    for record in five:
        write_record(tmp_path / "run", record)
    found = compare(read_source(f"{tmp_path / 'run'}:pt"), read_source(f"{tmp_path / 'run'}:tf"))
    assert [(row.batch, row.verdict) for row in found.rows] == [(1, "B is slower"), (8, "B is slower")]
    headings, lines = comparison_table(found)
    assert headings[headings.index("batch") : headings.index("batch") + 3] == ["batch", "A p50 ms", "B p50 ms"]
    assert len(lines) == 2
    assert "latency_p50_ms_a" in comparison_csv([found])
    run = tmp_path / "run"
    assert split_column(f"{run}:pt+onnx") == (run, "pt+onnx")


def test_calls_of_all_ranks_are_one_sample_and_throughput_is_over_the_slowest() -> None:
    common: dict[str, Any] = {
        "time": 1.0, "batch": 4, "replicas": 1, "widths": [0], "prepare": [], "whole": [], "stationary": None,
        "allocator_peak": None, "turns": [],
    }  # fmt: skip
    ranks = [
        [Latency(rank=0, first=[2.0], seconds=[0.1] * 3, back_to_back=0.3, rss_peak=5, **common)],
        [Latency(rank=1, first=[3.0], seconds=[0.2] * 3, back_to_back=0.6, rss_peak=7, **common)],
    ]
    [found] = inference_figures(ranks)["inference"]
    assert (found["calls"], found["rss_peak"], found["first_ms"]) == (6, 12, 3000.0)
    assert found["p50_ms"] == pytest.approx(150.0)
    assert found["samples_per_second"] == pytest.approx(2 * 4 * 3 / 0.6)
    assert "prepare_ms" not in found
    assert inference_figures([ranks[0], []])["inference"] == [], "a rank that said nothing: no figure of the cell"


def test_the_figure_of_trade_gains_latency_where_it_was_measured(five: list[Record]) -> None:
    student = {"network": "lstm 512", "workload": "lstm", "computation_hash": "s"}
    trained = [
        make_record(name, throughput=3.0, scores=scored(test=0.9), epochs=1, step_seconds=[0.1], **TEXT | more)
        for name in ("pt", "tf")
        for more in ({}, student)
    ]
    [traded] = trades(group_records(plain(trained)))
    asked = latencies([*five, answered(p50=2.0, **student)])
    assert len(trade_figure(traded, asked).axes) == 2
    assert len(trade_figure(traded, latencies([])).axes) == 1
    table = trade_table(traded, asked)
    assert "10.000" in table, "the teacher in PyTorch"
    assert "2.000" in table, "the student"
