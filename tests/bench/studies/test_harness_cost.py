"""The study of what the harness costs: its arithmetic and its document; nothing is timed here."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bench.records.record import Record
from bench.records.usage import Usage
from bench.studies import harness_cost
from bench.studies.harness_cost import COLUMNS, main, row, written
from shared.errors import UserError
from tests.bench.compare.records import make_record


@pytest.fixture
def records() -> list[Record]:
    usages = [
        Usage(seconds=30.0, window_seconds=10.0, harness_cpu_seconds=seconds, num_samples_window=12)
        for seconds in (0.01, 0.02, 0.06)
    ]
    return [make_record("pt", 2).model_copy(update={"usage": usage}) for usage in usages]


def test_a_row_is_of_medians_and_names_the_largest(records: list[Record]) -> None:
    line = dict(zip(COLUMNS, row(records, "a processor", 2), strict=True))
    assert line["seconds of one"] == "10.0"
    assert line["looks in one"] == "12"
    assert line["CPU seconds of the harness in one"] == "0.0200"
    assert line["share of a core"] == "0.20 % (at most 0.60 %)"


def test_a_row_a_processor(records: list[Record]) -> None:
    first = written(row(records, "one", 2), "")
    both = written(row(records, "another", 8), first)
    again = written(row(records[2:], "one", 2), both)
    names = [line.split(" | ")[0] for line in again.splitlines() if line.startswith("| ")]
    assert names == ["| processor", "| ---", "| another", "| one"]
    assert again.count("0.60 % (at most 0.60 %)") == 1
    assert again.splitlines()[:2] == first.splitlines()[:2]


def test_the_exit_code_is_the_goals(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> None:
    for chosen, code in ((records, 0), (records[2:], 1)):
        monkeypatch.setattr(harness_cost, "measure", lambda *_, chosen=chosen: chosen)
        done = CliRunner().invoke(main, [])
        assert done.exit_code == code
        assert "share of a core: " in done.output

    def fails(*_: object) -> None:
        raise UserError("no window was measured: it broke")

    monkeypatch.setattr(harness_cost, "measure", fails)
    done = CliRunner().invoke(main, [])
    assert done.exit_code == 2
    assert "no window was measured: it broke" in done.output
