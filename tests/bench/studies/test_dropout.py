"""The study of dropout: its programs run in this revision, its documents name their command; nothing is judged."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.host import machine
from bench.host.locations import PROJECT_ROOT
from bench.studies import dropout
from shared.errors import UserError


def test_a_batch_weighs_what_its_arrays_do() -> None:
    found = dropout.printed_by(dropout.BATCHES, PROJECT_ROOT, "bert-6l", "quick", "2")
    tokens, labels, lengths, keys = 16 * 128 * 4, 16 * 4, 16 * 4, 16 * (1 + 2 * 2 + 1) * 2 * 4
    assert found["bytes"] == tokens + labels + lengths + keys
    assert found["samples"] == 16
    assert 0 < found["seconds"] < 1


def test_a_program_that_fails_is_one_line() -> None:
    with pytest.raises(UserError, match=r"absent quick 2: .*absent"):
        dropout.printed_by(dropout.BATCHES, PROJECT_ROOT, "absent", "quick", "2")


def test_the_cost_is_a_ratio_of_medians(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps = iter([[[2.0, 3.0, 9.0], [1.5, 1.5, 1.0]], [[2.0], [1.0]], [[4.0], [2.0]]] * 2)
    monkeypatch.setattr(dropout, "printed_by", lambda *_: next(steps))
    out = tmp_path / "rate.md"
    done = CliRunner().invoke(dropout.main, ["rate", "--repeats", "3", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "| PyTorch | 2.000 (no interval of 3) |" in out.read_text()
    assert "`python -m bench.studies.dropout rate --repeats 3 --steps 30 --out FILE`" in out.read_text()
    assert machine.cpu_model() in out.read_text()


def test_input_is_compared_with_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = []

    def measured(name: str, preset: str, wing: str, mode: str, steps: int) -> dropout.Measured:
        cells.append((name, preset, wing, mode, steps))
        return {"disk": dropout.Measured(1.0, 0.25), "device": dropout.Measured(2.0, 0.0)}[mode]

    monkeypatch.setattr(dropout, "measured", measured)
    done = CliRunner().invoke(dropout.main, ["input", "--steps", "2"])
    assert done.exit_code == 0, done.output
    assert "| bert-base imdb | TensorFlow | 1 | 2 | 0.500 [0.500, 0.500] at 93.8% | 25.00% |" in done.output
    assert cells[:2] == [("bert-6l", "full", "pt", mode, 2) for mode in ("disk", "device")]
    assert len(cells) == 2 * 2 * 2 * 5
