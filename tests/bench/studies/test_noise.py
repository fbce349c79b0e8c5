"""How noisy cells were, from records made up with known noise; the command's output and its bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from bench.cells.summary import drift_figures
from bench.records.record import Record, write_record
from bench.statistics.steps import drift
from bench.studies.noise import BLOCK, block_error, cells, main, noise_of
from tests.bench.show.test_tables import record

STEPS = 400


def run_of(processes: int, between: float, within: float, trend: float, **changes: Any) -> list[Record]:
    """Records of one cell with known noise; the drift of throughput is `trend` from the first to the last."""
    rng, records = np.random.default_rng(3), []
    for repeat in range(processes):
        place = repeat / max(1, processes - 1)
        speed = 100 * np.exp(between * rng.normal() + trend * place)
        steps = (1 + within * rng.normal(size=STEPS)) / speed
        started = f"2026-01-01T00:{repeat:02d}:00+00:00"
        records.append(record(1, speed, repeat=repeat, step_seconds=steps.tolist(), started=started, **changes))
    return records


def test_known_noise_is_found() -> None:
    noise = noise_of(run_of(60, between=0.05, within=0.1, trend=0.0))
    assert noise.between == pytest.approx(0.05, rel=0.25)
    assert noise.within == pytest.approx(0.1, rel=0.1)
    assert noise.independent == pytest.approx(0.1 / STEPS**0.5, rel=0.1)
    assert noise.blocked == pytest.approx(noise.independent, rel=0.1)  # these steps are independent
    assert abs(noise.autocorrelation) < 0.05
    assert (noise.repeats, noise.steps, len(noise.drifts)) == (60, STEPS, 60)


def test_drift_over_the_repeats_goes_by_time_not_by_number() -> None:
    records = run_of(8, between=0.0, within=0.01, trend=-0.07)
    assert noise_of(records[::-1]).trend == pytest.approx(-0.07, abs=1e-9)


def test_blocks_see_what_neighbours_share() -> None:
    rng = np.random.default_rng(4)
    steps = np.repeat(1 + 0.1 * rng.normal(size=(20, 50)), BLOCK, axis=1)  # a block's steps are all alike
    assert block_error(steps.tolist()) == pytest.approx(0.1 / 50**0.5, rel=0.1)


def test_cells_are_apart_and_failed_or_short_ones_left_out() -> None:
    records = [*run_of(2, 0.0, 0.1, 0.0), *run_of(1, 0.0, 0.1, 0.0, framework="tf")]
    short = record(2, 10.0)
    failed = run_of(1, 0.0, 0.1, 0.0, framework="tf", status="crash")
    found = cells([*records, short, *failed])
    assert [(noise.name, noise.repeats) for noise in found] == [
        ("PyTorch, effnet-b0 x 1, disk", 2),
        ("TensorFlow, effnet-b0 x 1, disk", 1),
    ]
    assert (found[1].between, found[1].trend) == (None, None)


def test_the_command_prints_a_line_a_cell(tmp_path: Path) -> None:
    records = run_of(3, 0.05, 0.1, 0.0)
    for each in records:
        write_record(tmp_path, each)
    result = CliRunner().invoke(main, [str(tmp_path)], catch_exceptions=False)
    header, rule, line = result.output.splitlines()
    assert header.count("|") == rule.count("|") == line.count("|")
    assert line.startswith("| PyTorch, effnet-b0 x 1, disk | 3 |")
    drifts = [100 * drift(each.step_seconds) for each in records]
    assert f"{min(drifts):+.1f} to {max(drifts):+.1f}" in line


def test_windows_that_drift_are_listed_with_what_their_records_say(tmp_path: Path) -> None:
    """A record of before the drift was recorded says nothing of it; one of now does, also where noise explains it."""
    falling = [1.3] * 10 + [1.1] * 10 + [1.0] * 10
    told = record(1, 10.0, step_seconds=falling, **drift_figures(falling))
    silent = record(2, 10.0, step_seconds=falling)
    steady = record(4, 10.0, step_seconds=[1.0] * 30)
    for each in (told, silent, steady):
        write_record(tmp_path, each)
    result = CliRunner().invoke(main, ["--windows", str(tmp_path)], catch_exceptions=False)
    _, _, first, second, _, last = result.output.splitlines()
    assert first.endswith("| +30.0 | 0.0 | yes |")
    assert second.endswith("| +30.0 | 0.0 | NO |")
    assert last == "2 of 3 windows drift by more than 10 %; 1 of them unsaid"


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    nothing = CliRunner().invoke(main, [str(tmp_path)])
    assert nothing.exit_code == 2
    assert "no records here" in nothing.output
    write_record(tmp_path, record(1, 10.0))
    short = CliRunner().invoke(main, [str(tmp_path)])
    assert short.exit_code == 2
    assert "no cell with 16 measured steps" in short.output
