"""The table at the end of a run, from records alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from bench.records.record import Record
from bench.records.repeats import Row, rows
from bench.show.table_notes import ratio_lines
from bench.show.tables import COLUMNS, caption, csv, markdown, notes, print_table, table
from bench.statistics.steps import percentile
from bench.terminal.printable import markdown_text
from tests import golden
from tests.bench.record_maker import LABELS, TEXT, UNKNOWN, make_record, scored


def record(replicas: int, throughput: float | None, **changes: Any) -> Record:
    own = {"throughput": throughput, "epochs": 1, "certificate": "unverified", "step_seconds": [0.1, 0.2, 0.3],
           "log": "cells/x/log.txt"}  # fmt: skip
    return make_record(**{"replicas": replicas, **own, **changes})


def cells_of(row: Row) -> list[str]:
    return table([row])[1][0]


def column(row: Row, name: str) -> str:
    headings, (cells,) = table([row])
    return dict(zip(headings, cells, strict=True))[name]


def test_speedups_are_of_pairs_of_good_repeats() -> None:
    records = [
        *(record(1, value, repeat=repeat) for repeat, value in enumerate((10.0, 20.0, 30.0))),
        record(2, 20.0),
        record(2, 40.0, repeat=1),
        record(2, 1000.0, repeat=2, status="crash"),
    ]
    one, two = rows(records)
    assert [each and each.value for each in (one.throughput, one.speedup, one.efficiency)] == [20.0, 1.0, 1.0]
    # not 30 over 20, which is what the medians would say
    assert two.throughput and two.speedup and two.efficiency
    assert (two.throughput.value, two.speedup.value, two.efficiency.value) == pytest.approx((30.0, 2.0, 1.0))
    assert two.speedup.count == 2
    assert cells_of(two)[-2] == "2 ok, 1 crash"


@pytest.mark.parametrize(
    "changes",
    [
        {"framework": "tf"}, {"arm": "native"}, {"precision": "bf16"}, {"spec_hash": "1"}, {"input_mode": "device"},
        {"data_digest": "1"}, {"oversubscribed": True}, {"status": "timeout"},
    ],
)  # fmt: skip
def test_no_speedup_is_claimed_against_something_else(changes: dict[str, Any]) -> None:
    other = next(row for row in rows([record(1, 10.0), record(2, 20.0, **changes)]) if row.records[0].replicas == 2)
    assert other.speedup is None
    assert column(other, "speedup") == column(other, "efficiency") == "-"


def test_an_implausible_efficiency_is_flagged() -> None:
    records = [record(1, 10.0), record(2, 21.2)]
    assert column(rows(records)[1], "efficiency") == "1.06 (!)"
    first, *others = notes(records)
    assert first.startswith("(!) PyTorch at 2 replicas: an efficiency above 1.05 is implausible; ")
    assert notes([record(1, 10.0), record(2, 20.9)]) == others


def repeats_of(replicas: int, values: Sequence[float], **changes: Any) -> list[Record]:
    return [record(replicas, value, repeat=repeat, **changes) for repeat, value in enumerate(values)]


def test_with_repeats_enough_figures_have_intervals() -> None:
    ones, twos = repeats_of(1, [8.0, 9.0, 10.0, 11.0, 12.0]), repeats_of(2, [12.0, 13.5, 15.0, 16.5, 18.0])
    one, two = rows([*ones, *twos])
    assert column(one, "samples/s") == "10.00 [8.00, 12.00]"
    assert (column(one, "speedup"), column(two, "speedup")) == ("1.00", "1.50 [1.50, 1.50]")
    assert column(two, "efficiency") == "0.75 [0.75, 0.75]"


@pytest.mark.parametrize(
    ("count", "words"),
    [(1, "1 repeat of a cell: no interval"), (3, "3 repeats of a cell: 75 % interval at best"), (5, None)],
)
def test_the_table_says_what_too_few_repeats_could_have_had(count: int, words: str | None) -> None:
    found = [note for note in notes(repeats_of(1, range(1, count + 1))) if "--repeats 5" in note]
    assert [note.partition(";")[0] for note in found] == ([words] if words else [])


def test_columns_are_held_against_the_first_at_the_same_replicas() -> None:
    pt = repeats_of(1, [10.0, 20.0, 30.0, 40.0, 50.0])
    tf = repeats_of(1, [8.0, 16.0, 24.0, 32.0, 40.0], framework="tf")
    newer = [record(1, 5.0, framework="tf", variant="tf@2.21", run_id="other")]
    assert ratio_lines(rows([*pt, *tf, *newer])) == [
        "TensorFlow / PyTorch at 1 replica: 0.80 [0.80, 0.80], 5 pairs",
        "TensorFlow 2.21 / PyTorch at 1 replica: 0.17, of the medians: no repeats that ran side by side",
    ]
    assert ratio_lines(rows([pt[0], record(2, 8.0, framework="tf")])) == []
    assert ratio_lines(rows([pt[0], record(1, None, framework="tf", status="oom")])) == []
    (line,) = ratio_lines(rows([pt[0], tf[0]]))
    assert line == "TensorFlow / PyTorch at 1 replica: 0.80, 1 pair"
    assert line in markdown([pt[0], tf[0]]).splitlines()
    arms = [pt[0], tf[0], *(record(1, 5.0, framework=name, arm="native") for name in ("pt", "tf"))]
    assert ratio_lines(rows(arms))[1] == "TensorFlow / PyTorch (native) at 1 replica: 1.00, 1 pair"


def test_outlying_steps_are_named_and_counted() -> None:
    steps = [0.1, 0.11, 0.09] * 10
    slow = record(2, 10.0, framework="tf", step_seconds=[*steps[:-3], 0.5, 0.3, 0.2])
    quick = record(2, 10.0, framework="tf", repeat=1, step_seconds=steps)
    (line,) = [note for note in notes([slow, quick]) if "outlier" in note]
    assert line == "TensorFlow at 2 replicas: 3 of 60 steps are outliers (15 % of the time); they count"
    (row,) = rows([slow, quick])
    assert column(row, "step p95 ms") == f"{1e3 * percentile([*slow.step_seconds, *quick.step_seconds], 95):.1f}"


def test_cells_without_exchange_are_no_training() -> None:
    assert len(rows([record(2, 10.0), record(2, 12.0, exchange=False)])) == 1


def test_a_failed_cell_stays_in_the_table_and_names_its_log() -> None:
    records = [record(1, None, status="oom", reason="too | big", step_seconds=[])]
    assert cells_of(rows(records)[0])[3:12] == ["-"] * 9
    assert notes(records)[0] == f"{records[0].cell_id}: oom: too | big (log: cells/x/log.txt)"
    assert f"- {markdown_text(notes(records)[0])}" in markdown(records).splitlines()


def test_texts_have_tokens_a_second_beside_samples() -> None:
    repeats = [
        record(1, 10.0, repeat=repeat, tokens_per_second=value, **TEXT)
        for repeat, value in enumerate((900.4, 1000.4, 3000.0))
    ]
    failed = record(1, None, repeat=3, status="oom", **TEXT)
    (row,) = rows([*repeats, failed])
    assert column(row, "tokens/s") == "1000"
    assert column(row, "samples/s") == "10.00"
    (pages,) = rows([record(1, 10.0)])
    assert column(pages, "tokens/s") == "-"


def test_the_column_of_scores_is_called_after_the_headline() -> None:
    scores = [{"train": 0.9, "val": 0.6}, {"train": 0.8, "val": 0.7}, {"train": 0.7, "val": 0.8}]
    several = [record(1, 10.0, repeat=n, scores=scored("f1", **each), **LABELS) for n, each in enumerate(scores)]
    one = [record(1, 10.0, scores=scored(train=0.5, test=0.25), spec_hash="other", framework="tf")]
    unknown = [record(1, 10.0, scores=scored("syllables", test=17.0), spec_hash="third", **UNKNOWN)]
    for records, heading, text in (
        (several, "F1 (micro) train/val/test", "0.800/0.700/-"),
        (one, "accuracy train/val/test", "0.500/-/0.250"),
        (unknown, "syllables train/val/test", "-/-/17.000"),
    ):
        (row,) = rows(records)
        assert column(row, heading) == text
    headings, lines = table(rows([*several, *one, *unknown]))
    place = headings.index("score train/val/test")
    assert {line[place] for line in lines} == {
        "F1 (micro) 0.800/0.700/-", "accuracy 0.500/-/0.250", "syllables -/-/17.000"
    }  # fmt: skip


def test_scores_are_those_after_the_last_stage() -> None:
    both = scored(test=0.5) | scored(stage="finetune", test=0.75)
    (row,) = rows([record(1, 10.0, scores=both)])
    assert column(row, "accuracy train/val/test") == "-/-/0.750"


def test_the_table_tells_its_columns_apart() -> None:
    header, _, line, *_ = markdown([record(1, 10.0, tokens_per_second=1234.0)]).splitlines()
    assert header.count("|") == line.count("|") == len(COLUMNS) + 1
    assert header.split(" | ")[3:5] == ["samples/s", "tokens/s"]
    assert line.split(" | ")[3:5] == ["10.00", "1234"]


def test_captions_of_pages_and_texts_on_cores_and_gpus() -> None:
    places: tuple[dict[str, Any], ...] = (
        {},
        {"device": "cuda", "device_name": "Example GPU", "cores_per_replica": None},
    )
    golden.check(
        "captions", "\n".join(caption([record(1, 1.0, **kind, **where)]) for kind in ({}, TEXT) for where in places)
    )


def test_csv_has_a_line_a_record() -> None:
    lines = csv([record(1, 10.0, scores=scored(test=0.5)), record(2, None, status="crash")]).strip().splitlines()
    assert len(lines) == 3
    assert "scores.train.test.accuracy" in lines[0]


LONG_REASON = "CUDA out of memory: tried to allocate 1234567 bytes of 987654321 in step 42 " * 4
TABLES = {
    "one repeat": [record(1, 76.53), record(2, 104.11), record(1, 62.13, framework="tf")],
    "intervals": [
        *(each for r in (1, 2) for each in repeats_of(r, [155.58, 182.64, 208.74, 170.25, 190.5])),
        *(each for r in (1, 2) for each in repeats_of(r, [91.5, 93.75, 92.25, 94.5, 90.75], framework="tf")),
    ],
    "many columns": [
        record(r, 12345.67 * r, repeat=n, framework=name, arm=arm, tokens_per_second=1234567.0 * r,
               time_to_first_step=123.45, memory_rss_peak=123 * 2**30, scores=scored(train=1.0, val=0.95))
        for r in (1, 2, 4) for n in range(5) for name in ("pt", "tf") for arm in ("matched", "native")
    ],
    "versions": [
        record(1, 1000.25, framework=column[:2], variant=column) for column in ("pt@2.13", "tf@2.20", "tf@2.21")
    ],
    "oversubscribed": [record(1, 316.44), record(64, 1316.44, oversubscribed=True, step_seconds=[123.4567] * 9)],
    "failed": [record(1, 10.25), record(2, None, status="oom", reason=LONG_REASON, step_seconds=[])],
    "tiny and huge": [record(1, 0.01, step_seconds=[98765.4321]), record(128, 99999999.99)],
}  # fmt: skip


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("name", TABLES)
def test_every_figure_is_whole_at_every_width(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    records = TABLES[name]
    print_table(records)
    shown = capsys.readouterr().out
    words = set(re.findall(r"\[[^\]\n]*\]|[^\s\[]+", shown))
    for row in rows(records):
        for heading, text in zip(COLUMNS, cells_of(row), strict=True):
            figures = re.findall(r"\[[^\]]*\]|[^\s\[]*\d[^\s\[]*", text)
            assert set(figures) <= words, (heading, text)
    assert max(map(len, shown.splitlines())) <= width
    for record in records:
        figures = re.findall(r"\d+", record.reason or "")
        assert set(figures) <= words


@pytest.mark.parametrize(("name", "width"), [("table-80", 80), ("table-200", 200)])
def test_what_all_cells_share_is_said_once_above_the_table(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    settings = {"pt": {"version.torch": "2.13.0+cpu"}, "tf": {"version.tensorflow": "2.21.0"}}
    print_table([record(r, 10.25, framework=wing, settings=settings[wing]) for r in (1, 2) for wing in settings])
    golden.check(name, capsys.readouterr().out)


def test_tables_of_every_kind_as_they_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    for name, records in TABLES.items():
        print(f"{name}:\n")
        print_table(records)
        print()
    golden.check("tables", capsys.readouterr().out)


def test_one_repeat_decides_nothing_and_says_so() -> None:
    words = "one repeat decides nothing: no verdict follows from this table"
    assert words in notes([record(1, 10.0), record(2, 20.0)])
    assert words in markdown([record(1, 10.0), record(1, 20.0, framework="tf")])
    assert words not in notes(repeats_of(1, [10.0, 11.0]))
