"""A history in place of a base."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

from bench.gate.history import Entry, append, comparable, judge_history, read_history
from bench.gate.power import POWER
from bench.gate.result import BenchmarkResult, GateResult
from bench.host import machine
from shared.errors import UserError
from tests import golden
from tests.bench.gate.fake_repository import FakeRepository, Gate

HERE = machine.fingerprint()


def entry(centre: float = 100.0, **changes: object) -> Entry:
    known = {
        "benchmark": "bert-6l-pt-r1-device", "revision": "r", "time": "t", "fingerprint": HERE,
        "device_name": "d", "device": "cpu", "spec_hash": "abc", "data_digest": "",
        "versions": {"version.torch": "2"}, "throughputs": [centre] * 7,
    }  # fmt: skip
    return Entry.model_validate(known | changes)


def test_entries_read_back(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, [entry(), entry(90.0)])
    append(path, [entry(80.0)])
    assert [round(math.exp(one.centre)) for one in read_history(path, must_exist=True)] == [100, 90, 80]
    others = [entry(**{name: "x"}) for name in ("benchmark", "device", "spec_hash", "data_digest")]
    assert comparable([entry(), *others], entry()) == [entry()]


def test_a_history_that_was_edited_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    append(path, [entry()])
    path.write_text(path.read_text().rstrip())
    append(path, [entry(90.0)])
    assert len(read_history(path, must_exist=True)) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"schema_version": 1, "bench', "line 1 is no entry of this version"),
        (entry().model_dump_json().replace('"schema_version":1', '"schema_version":9'), "schema_version"),
        (entry().model_dump_json().replace("100.0", "0.0"), "throughputs"),
        (entry(fingerprint="other").model_dump_json(), "line 1 was measured on another machine"),
    ],
)
def test_a_bad_history_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text + "\n")
    with pytest.raises(UserError, match=told) as caught:
        read_history(path, must_exist=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="--update"):
        read_history(tmp_path / "none", must_exist=True)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8 text"):
        read_history(path, must_exist=True)


def test_a_bad_line_costs_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "history.jsonl"
    lines = [entry().model_dump_json(), "[" * 100_000, '{"schema_version": 1}', "NaN", entry(90.0).model_dump_json()]
    path.write_text("\n".join(lines) + "\n")
    assert len(read_history(path, must_exist=True)) == 2
    told = capsys.readouterr().err.splitlines()
    assert [f"line {number} is no entry" in line for number, line in zip((2, 3, 4), told, strict=True)] == [True] * 3
    append(path, [entry(80.0)])
    assert path.read_text().splitlines()[:-1] == lines, "what others wrote stays there"


def test_a_history_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="not a regular file"):
        read_history(tmp_path / "pipe", must_exist=True)


def test_an_unchanged_head_fails_seldom_and_a_slow_one_is_caught() -> None:
    rng = np.random.default_rng(0)
    alarms = caught = 0
    for _ in range(400):
        history = [entry(100 * math.exp(rng.normal(0, 0.02))) for _ in range(8)]
        new = 97 * math.exp(rng.normal(0, 0.02))  # just within the threshold
        alarms += judge_history([new] * 7, history, 0.03)[0]
        caught += judge_history([0.8 * new] * 7, history, 0.03)[0]
    assert alarms / 400 < 0.025 + 3 * math.sqrt(0.025 / 400)
    assert alarms > 1
    assert caught > 395


def test_the_smallest_slow_down_against_a_history_is_shown_with_the_power_that_is_said() -> None:
    rng = np.random.default_rng(2)
    shown = 0
    for _ in range(2000):
        history = [entry(100 * math.exp(rng.normal(0, 0.02))) for _ in range(8)]
        smallest = judge_history([100.0] * 7, history, 0.03)[-1]
        new = 100 * (1 - smallest) * math.exp(rng.normal(0, 0.02))
        shown += judge_history([new] * 7, history, 0.03)[0]
    assert abs(shown / 2000 - POWER) < 0.06


def test_from_the_command_line(gate: Gate, repository: FakeRepository, tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    out = tmp_path / "gate.json"
    options = ("--framework", "pt", "--baseline", str(path), "--json", str(out))

    def benchmark() -> BenchmarkResult:
        (one,) = GateResult.model_validate_json(out.read_text()).benchmarks
        return one

    append(path, [entry(100 + 0.1 * number) for number in range(6)])
    done = gate(*options)
    assert done.returncode == 2
    assert "6 entries of bert-6l-pt-r1-device, of which a new one is the lowest by chance with p = 0.143" in done.stderr
    done = gate(*options, "--update")
    assert done.returncode == 0, done.stderr
    assert (benchmark().outcome, len(benchmark().head_values)) == ("undecided", 7)
    said = [benchmark().reason]
    assert len(read_history(path, must_exist=True)) == 7
    repository.commit(step=0.02)
    done = gate(*options, "--update")
    assert done.returncode == 1, done.stderr
    assert benchmark().outcome == "regression"
    said.append(GateResult.model_validate_json(out.read_text()).guarantee)
    assert len(read_history(path, must_exist=True)) == 7  # what is a regression is not learnt
    repository.commit(step=0.01, spec="other")
    done = gate(*options)
    assert done.returncode == 2, "a head that trains something else does not pass unseen"
    assert benchmark().outcome == "error"
    golden.check("gate-history", "\n".join(map(str, [*said, benchmark().reason])))
    done = gate(*options, "--apart")
    assert done.returncode == 2
    assert "--apart: of no use with --baseline" in done.stderr
