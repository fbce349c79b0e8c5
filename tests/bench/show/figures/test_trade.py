"""Accuracy against throughput, read from matplotlib's own objects, and the table beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.text import Text

from bench.records.record import Record
from bench.run.figures import plot_records
from bench.show.figures.trade import HEADINGS, trade_figure, trade_table, trades
from bench.show.groups import group_records
from tests.bench.record_maker import scored


@pytest.fixture
def runs(make_record) -> list[Record]:
    """A network on pages, and another on the same store's text, tokenised; two repeats each."""
    pages = {"workload": "effnet-b0", "network": "efficientnet b0", "data_digest": "own", "spec_hash": "1"}
    texts = {
        "workload": "bert-6l", "network": "bert 6 x 768", "data_digest": "copy", "data_origin": "own",
        "unit": "text", "spec_hash": "2",
    }  # fmt: skip
    marks = {"effnet-b0": 0.8, "bert-6l": 0.9}
    return [
        make_record(framework, 1, speed + repeat, repeat=repeat, scores=scored(test=marks[kind["workload"]]), **kind)
        for kind, speed in ((pages, 40.0), (texts, 10.0))
        for framework in ("pt", "tf")
        for repeat in (0, 1)
    ]


def test_cells_stand_at_their_medians(runs) -> None:
    (alike,) = trades(group_records(runs))
    (axes,) = trade_figure(alike).axes
    cells = {
        str(line.get_gid()): (line.get_xdata()[0], line.get_ydata()[0])
        for line in axes.lines
        if str(line.get_gid()).startswith("trade-")
    }
    assert sorted(cells.values()) == [(10.5, 0.9), (10.5, 0.9), (40.5, 0.8), (40.5, 0.8)]
    assert {text.get_text() for text in axes.texts} == {"a1", "b1"}
    told = " ".join(text.get_text() for text in axes.figure.findobj(Text))
    assert "a: bert-6l (quick), b: effnet-b0 (quick)" in told
    assert axes.get_xscale() == "log"


@pytest.mark.parametrize(
    "changes",
    [
        {"data_origin": None},  # a store of its own
        {"network": "efficientnet b0"},  # the same network
        {"device": "cuda"},
        {"scores": {}},
        {"headline": "f1"},
    ],
)
def test_other_documents_devices_and_scores_are_not_traded(runs, changes) -> None:
    changed = [r.model_copy(update=changes) if r.workload == "bert-6l" else r for r in runs]
    assert trades(group_records(changed)) == []


def test_the_table_has_a_row_a_cell(runs) -> None:
    (alike,) = trades(group_records(runs))
    lines = trade_table(alike).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert [cell.strip() for cell in table[0].strip("|").split("|")] == list(HEADINGS)
    assert len(table) == 2 + 4
    assert sum("bert-6l" in line and "10.5" in line and "0.900" in line for line in table) == 2


def test_figure_and_table_are_written_once_for_all_groups(runs, tmp_path: Path) -> None:
    written = {path.name for path in plot_records(runs, tmp_path, ("png",))}
    assert {"trade.png", "trade.md"} <= written
    assert not {name for name in written if name.startswith("trade-")}
    alone = [record for record in runs if record.workload == "bert-6l"]
    assert not {path.name for path in plot_records(alone, tmp_path / "alone", ("png",))} & {"trade.png", "trade.md"}
