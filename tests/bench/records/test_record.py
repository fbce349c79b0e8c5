"""Records on disk: older schemas are read, newer ones and foreign files refused, nothing is written by halves."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy.results import read_records as read_accuracy_records
from bench.records.record import RECORD_SCHEMA, Record, read_record, read_records, write_record
from shared.errors import UserError

# what version 1 wrote, every field of it
SCHEMA_1: dict[str, Any] = {
    "schema_version": 1, "run_id": "run", "cell_id": "effnet-b0-pt-matched-r1-fp32-disk-0", "workload": "effnet-b0",
    "preset": "quick", "spec_hash": "0123456789abcdef", "computation_hash": "fedcba9876543210", "framework": "pt",
    "arm": "matched", "replicas": 1, "device": "cpu", "device_name": "Example CPU", "cores_per_replica": 1,
    "oversubscribed": False, "precision": "fp32", "input_mode": "disk", "repeat": 0, "seed": 0, "epochs": 6,
    "batch_per_replica": 16, "image_size": 64, "data_name": "synthetic", "data_digest": "d1",
    "num_parameters": 4028044, "status": "ok", "reason": None, "certificate": "verified", "certificate_id": "c0ffee",
    "started": "2026-01-01T00:00:00Z", "wall_seconds": 60.0, "throughput": 12.5, "measured_steps": 20,
    "window_seconds": [25.6], "step_seconds": [1.28, 1.28], "time_to_first_step": 3.0, "memory_rss_peak": 1048576,
    "memory_allocator_peak": None, "harness_cpu_seconds": 0.1, "accuracy": {"test": 0.9},
    "accuracy_finetuned": {}, "loss_per_epoch": [2.7, 1.5], "settings": {"layout": "channels-last"},
    "log": "cells/x/log.txt",
}  # fmt: skip


def written(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(SCHEMA_1 | changes), encoding="utf-8")
    return path


def test_a_record_there_and_back(tmp_path: Path) -> None:
    record = Record.model_validate(
        SCHEMA_1 | {"schema_version": RECORD_SCHEMA, "image_size": None, "max_tokens": 128, "loss_per_epoch": [2.7]}
        | {"tokens_per_second": 640.5, "retraces": 0, "f1": {"test": 0.75}}
    )  # fmt: skip
    path = write_record(tmp_path, record)
    assert path == tmp_path / "records" / f"{record.cell_id}.json"
    assert read_record(path) == record
    assert json.loads(path.read_text(encoding="utf-8"))["schema_version"] == 3
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_record_of_schema_1_is_still_read(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "old.json"))
    assert (record.schema_version, record.throughput, record.image_size) == (1, 12.5, 64)
    assert record.accuracy == {"test": 0.9}
    assert (record.max_tokens, record.tokens_per_second, record.retraces, record.f1) == (None, None, None, {})


@pytest.mark.parametrize("schema", [1, 2, 3])
@pytest.mark.parametrize("loss", ["NaN", "Infinity", "-Infinity"])
def test_a_training_that_diverged_is_no_good_cell_whatever_its_record_says(
    tmp_path: Path, schema: int, loss: str
) -> None:
    record = read_record(written(tmp_path / "old.json", schema_version=schema, loss_per_epoch=[2.7, loss]))
    assert (record.status, record.reason) == ("diverged", "loss is not finite in epoch 2")
    assert not math.isfinite(record.loss_per_epoch[1]), "a string in JSON, a number in Python"
    assert (record.throughput, record.tokens_per_second, record.accuracy, record.f1) == (None, None, {}, {})
    assert read_record(write_record(tmp_path, record)).reason == record.reason


def test_a_cell_that_failed_otherwise_keeps_its_reason(tmp_path: Path) -> None:
    changes = {"status": "crash", "reason": "exit status 1", "loss_per_epoch": ["NaN"]}
    record = read_record(written(tmp_path / "old.json", **changes))
    assert (record.status, record.reason) == ("crash", "exit status 1")


@pytest.mark.parametrize("schema", [0, 4, None, "2"])
def test_a_record_of_another_schema_is_refused(tmp_path: Path, schema: object) -> None:
    path = written(tmp_path / "other.json", schema_version=schema)
    with pytest.raises(UserError, match=r"other\.json: record schema .*, this version reads 1, 2, 3") as raised:
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
        *(("accuracy", value) for value in ({"test": "NaN"}, {"test": 1e308}, {"test": -0.1}, {"test": 1.01})),
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
    with pytest.raises(UserError, match=rf"odd\.json: {field}(\.[\w.]+)?: ") as raised:
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
    old = Record.model_validate(SCHEMA_1 | {"loss_per_epoch": []})
    path = write_record(tmp_path, old)

    def full(_: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_record(tmp_path, old.model_copy(update={"throughput": 1.0}))
    assert read_record(path) == old
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_reference_runs_are_still_read() -> None:
    runs = sorted(path.parent for path in (Path(__file__).parents[3] / "results/reference").glob("*/records"))
    assert runs
    for run in runs:
        assert read_accuracy_records(run) if run.name.startswith("accuracy-") else read_records([run])
