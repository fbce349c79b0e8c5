"""Records on disk: what no record can hold and foreign files are refused, nothing is written by halves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.records.record import RECORD_SCHEMA, read_record, read_records, write_record
from shared.errors import UserError
from tests.bench.record_maker import LABELS, TEXT, UNKNOWN, make_record, scored

GOOD: dict[str, Any] = make_record(
    throughput=12.5, measured_steps=20, window_seconds=[25.6], step_seconds=[1.28, 1.28], loss_per_epoch=[2.7, 1.5],
    scores=scored(test=0.9),
).model_dump(mode="json")  # fmt: skip


def written(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(GOOD | changes), encoding="utf-8")
    return path


def test_a_record_there_and_back(tmp_path: Path) -> None:
    record = make_record(
        tokens_per_second=640.5, retraces=0, loss_per_epoch=[2.7], scores=scored("f1", test=0.75), **LABELS, **TEXT
    )
    path = write_record(tmp_path, record)
    assert path == tmp_path / "records" / f"{record.cell_id}.json"
    assert read_record(path) == record
    assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] == RECORD_SCHEMA == 5
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_scores_are_asked_for_by_stage_or_after_the_last() -> None:
    train = {"train": {"val": {"f1": 0.5, "accuracy": 0.25}, "test": {"f1": 0.75}}}
    record = make_record(scores=train, **LABELS)
    assert (record.score("val"), record.score("test", "train"), record.score("train")) == (0.5, 0.75, None)
    both = make_record(scores=train | {"finetune": {"test": {"f1": 1.0}}}, **LABELS)
    assert (both.score("test"), both.score("test", "train"), both.score("val")) == (1.0, 0.75, None)
    assert both.scores_after() == {"test": {"f1": 1.0}}
    none = make_record()
    assert (none.score("test"), none.score("test", "finetune"), none.scores_after()) == (None, None, {})
    other = make_record(scores=scored("f1", test=0.5))
    assert other.score("test") is None, "it has a score, but not its headline"


def test_a_score_of_an_unknown_task_is_any_figure(tmp_path: Path) -> None:
    record = make_record(scores=scored("syllables", test=-17.0), **UNKNOWN)
    assert read_record(write_record(tmp_path, record)).score("test") == -17.0


@pytest.mark.parametrize("loss", ["NaN", "Infinity", "-Infinity"])
def test_a_training_that_diverged_is_no_good_cell_whatever_its_record_says(tmp_path: Path, loss: str) -> None:
    record = read_record(written(tmp_path / "odd.json", loss_per_epoch=[2.7, loss]))
    assert (record.status, record.reason) == ("diverged", "loss is not finite in epoch 2")
    assert not math.isfinite(record.loss_per_epoch[1]), "a string in JSON, a number in Python"
    assert (record.throughput, record.tokens_per_second, record.scores) == (None, None, {})
    assert read_record(write_record(tmp_path, record)).reason == record.reason


def test_a_cell_that_failed_otherwise_keeps_its_reason(tmp_path: Path) -> None:
    changes = {"status": "crash", "reason": "exit status 1", "loss_per_epoch": ["NaN"]}
    record = read_record(written(tmp_path / "failed.json", **changes))
    assert (record.status, record.reason) == ("crash", "exit status 1")


@pytest.mark.parametrize("schema", [0, 6, None, "2"])
def test_a_record_of_another_schema_is_refused(tmp_path: Path, schema: object) -> None:
    path = written(tmp_path / "other.json", schema_version=schema)
    with pytest.raises(UserError, match=r"other\.json: record schema .*, this version reads 1, 2, 3, 4, 5") as raised:
        read_record(path)
    assert "\n" not in str(raised.value)


def test_a_field_that_no_schema_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"odd\.json: speed: "):
        read_record(written(tmp_path / "odd.json", speed=3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("started", value) for value in ("now", "", "2026-01-01T00:00:00", None)),
        *(("started", f"{year}-12-31T23:59:59+00:00") for year in ("0001", "1969", "9999")),
        *(("throughput", value) for value in (0, -1.0, "NaN", "Infinity", 1e300)),
        *(("wall_seconds", value) for value in (-1.0, "NaN", 1e300)),
        *(("replicas", value) for value in (0, -1, 10**9, 1.5, "many")),
        *(("batch_per_replica", value) for value in (0, 10**12)),
        *(("step_seconds", value) for value in ([0.0], [-1.0], [1e308] * 30, ["NaN"], 1.0)),
        *(("window_seconds", value) for value in (["Infinity"], [0])),
        *(("scores", scored(test=value)) for value in ("NaN", "Infinity", 1e308, -0.1, 1.01, "high", None)),
        *(("scores", value) for value in ({"end": {}}, {"train": {"../test": {}}}, {"train": {"test": {"<b>": 0.5}}})),
        ("scores", {"train": {"test": {f"m{number}": 0.5 for number in range(33)}}}),
        ("scores", {"train": {f"s{number}": {} for number in range(17)}}),
        ("scores", {"train": 0.5}),
        *(("kind", value) for value in ("gate", None)),
        *((field, value) for field in ("task", "headline", "unit") for value in ("", "F1 (micro)", "a" * 50, "a\n", 1)),
        *((field, value) for field in ("network", "sample") for value in ("", "x" * 101, None)),
        *(("cost", value) for value in (0, -1.0, "NaN", "Infinity", 1e300)),
        *(("part_seconds", value) for value in ({"x": [-1.0]}, {"x": ["NaN"]}, {"x": 1})),
        *(("turn_seconds", value) for value in ([0.0], [-1.0])),
        *(("memory_rss_peak", value) for value in (-1, 10**18)),
        *(("seed", value) for value in (-1,)),
        *(("cell_id", value) for value in ("../../victim", "/etc", "a/b", "..", ".hidden", "", "a\nb", "a" * 300)),
        *(("log", value) for value in ("../log.txt", "/etc/passwd", "a/../../b", "", "a\0b", "a\nb")),
        ("usage", {"seconds": "Infinity"}),
        ("usage", {"seconds": 1.0, "gpus": [{"selector": "0", "power_mean": 1e300}]}),
    ],
)
def test_a_value_that_nothing_can_be_computed_with_is_named(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"odd\.json: {field}(\.[\w./<>\[\]]+)?: ") as raised:
        read_record(written(tmp_path / "odd.json", **{field: value}))
    assert "\n" not in str(raised.value)


def test_a_cell_that_measured_nothing_has_no_throughput(tmp_path: Path) -> None:
    assert read_record(written(tmp_path / "failed.json", status="oom", throughput=None)).throughput is None


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"run_id": "x"}', "\x00", pytest.param("[" * 100_000, id="nested")]
)
def test_what_is_no_record_says_what_to_do(tmp_path: Path, content: str) -> None:
    path = tmp_path / "records" / "x.json"
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.json: not a record .*--resume"):
        read_records([tmp_path])


def test_a_write_that_fails_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_record()
    path = write_record(tmp_path, old)

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_record(tmp_path, old.model_copy(update={"throughput": 1.0}))
    assert read_record(path) == old
    assert [file.name for file in path.parent.iterdir()] == [path.name]
