"""Records of schemas 1 to 4 are read as schema 5 has them, and so is every run that is kept for reference."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from bench.accuracy.results import read_records as read_accuracy_records
from bench.host.locations import PROJECT_ROOT
from bench.records.directory import RunDirectory
from bench.records.older import FOLDED, folded, of_their_runs
from bench.records.record import Record, read_record, read_records, write_record
from bench.report.page import chapters, html
from bench.report.sources import read_run
from bench.run.figures import plot_run
from bench.show.tables import csv, markdown
from shared.errors import UserError
from tests.bench.record_maker import make_record

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
# what version 2 added: texts, several labels
SCHEMA_2 = SCHEMA_1 | {
    "schema_version": 2, "workload": "bert-base", "image_size": None, "max_tokens": 128, "tokens_per_second": 900.0,
    "accuracy": {"train": 0.75, "test": 0.5}, "f1": {"train": 0.9, "test": 0.8},
}  # fmt: skip
# what version 3 added: monitors, attributions, the warm-up
SCHEMA_3 = SCHEMA_1 | {
    "schema_version": 3, "variant": "pt@2.13", "exchange": True, "part_seconds": {}, "turn_seconds": [], "usage": None,
    "warmup_steps": 3, "warmup_stationary": True, "accuracy": {"val": 0.5}, "accuracy_finetuned": {"val": 0.6},
    "max_tokens": None, "f1": {},
}  # fmt: skip
REFERENCE = sorted(path.parent for path in (PROJECT_ROOT / "results/reference").glob("*/records"))


def written(path: Path, content: dict[str, Any], **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


def old(cell: str, **changes: Any) -> Record:
    return Record.model_validate(folded(SCHEMA_3 | {"cell_id": cell} | changes))


def test_a_record_of_schema_1(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "old.json", SCHEMA_1))
    assert (record.schema_version, record.folded_from, record.kind) == (5, 1, "plain")
    assert (record.task, record.headline) == ("classification", "accuracy")
    assert (record.sample, record.unit, record.cost, record.network) == ("64 px", "page", 4096.0, "effnet-b0")
    assert record.scores == {"train": {"test": {"accuracy": 0.9}}}
    assert (record.throughput, record.tokens_per_second, record.retraces) == (12.5, None, None)


def test_a_record_of_schema_2_of_texts_with_several_labels(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "old.json", SCHEMA_2))
    assert (record.folded_from, record.task, record.headline) == (2, "labels", "f1")
    assert (record.sample, record.unit, record.cost) == ("at most 128 tokens", "text", 128.0)
    assert record.scores == {"train": {"train": {"f1": 0.9, "accuracy": 0.75}, "test": {"f1": 0.8, "accuracy": 0.5}}}
    assert (record.score("test"), record.tokens_per_second) == (0.8, 900.0)


def test_a_record_of_schema_3_with_a_second_stage(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "old.json", SCHEMA_3))
    assert (record.folded_from, record.column, record.warmup_steps) == (3, "pt@2.13", 3)
    assert record.scores == {"train": {"val": {"accuracy": 0.5}}, "finetune": {"val": {"accuracy": 0.6}}}
    assert record.score("val") == 0.6


def test_a_folded_record_is_one_of_now_where_it_is_written_again(tmp_path: Path) -> None:
    record = read_record(written(tmp_path / "old.json", SCHEMA_2))
    assert read_record(write_record(tmp_path, record)) == record


@pytest.mark.parametrize("schema", FOLDED[:3])
@pytest.mark.parametrize("loss", ["NaN", "Infinity"])
def test_a_training_that_diverged_is_no_good_cell_whatever_its_record_says(
    tmp_path: Path, schema: int, loss: str
) -> None:
    changes = {"schema_version": schema, "loss_per_epoch": [2.7, loss]}
    record = read_record(written(tmp_path / "old.json", SCHEMA_1, **changes))
    assert (record.status, record.reason) == ("diverged", "loss is not finite in epoch 2")
    assert not math.isfinite(record.loss_per_epoch[1])
    assert (record.throughput, record.scores) == (None, {})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("accuracy", value) for value in ({"test": "NaN"}, {"test": 1e308}, {"test": -0.1}, {"test": 1.01}, [])),
        *(("f1", value) for value in ({"test": 2}, 3)),
        *(("image_size", value) for value in (0, -1, 1 << 21, "many", [1])),
        ("max_tokens", 0),
        ("speed", 3),
    ],
)
def test_a_field_that_its_schema_did_not_allow_is_named(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"odd\.json: {field}(\.\w+)?: ") as raised:
        read_record(written(tmp_path / "odd.json", SCHEMA_1, **{field: value}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("marks", [{"exchange": False}, {"part_seconds": {"step": [0.1]}}])
def test_a_cell_that_no_plain_run_has_says_itself_that_its_run_is_an_attribution(marks: dict[str, Any]) -> None:
    assert old("alone", **marks).kind == "attribution"


def test_several_input_modes_make_a_run_an_attribution_even_where_its_parts_were_never_timed(tmp_path: Path) -> None:
    failed = {"status": "crash", "part_seconds": {}}
    own = [old(mode, input_mode=mode, **failed) for mode in ("disk", "memory", "device")]
    plain = [old("plain", run_id="plain", input_mode="memory")]
    found = of_their_runs([*own, *plain])
    assert [record.kind for record in found] == ["attribution"] * 3 + ["plain"]
    for place, modes in (("one", ("disk", "memory")), ("two", ("disk",))):
        for mode in modes:
            written(tmp_path / place / "records" / f"{mode}.json", SCHEMA_3, cell_id=mode, input_mode=mode)
    assert [record.kind for record in read_records([tmp_path / "one"])] == ["attribution"] * 2
    assert [record.kind for record in read_records([tmp_path / "two"])] == ["plain"]
    assert [record.kind for record in RunDirectory(tmp_path / "one", resume=True).records()] == ["attribution"] * 2


def test_what_a_record_of_now_says_of_its_run_holds_for_the_older_ones_in_it() -> None:
    record = old("old")
    now = old("now").model_copy(update={"folded_from": None, "kind": "attribution"})
    assert [each.kind for each in of_their_runs([record, now])] == ["attribution"] * 2
    modes = [now.model_copy(update={"kind": "plain", "input_mode": mode}) for mode in ("disk", "memory")]
    assert [each.kind for each in of_their_runs(modes)] == ["plain"] * 2, "a record of now is not guessed at"


def test_a_failed_cell_is_of_the_task_of_its_run() -> None:
    good, failed = old("good", f1={"test": 0.8}), old("failed", status="crash", accuracy={}, accuracy_finetuned={})
    other = old("other", spec_hash="other")
    found = of_their_runs([failed, good, other])
    assert [(record.task, record.headline) for record in found] == [
        ("labels", "f1"), ("labels", "f1"), ("classification", "accuracy"),
    ]  # fmt: skip


def test_a_record_of_schema_4_is_of_a_training_and_keeps_what_it_says_of_its_run() -> None:
    content = json.loads(make_record("pt", kind="attribution", throughput=3.0).model_dump_json())
    older = {key: value for key, value in content.items() if key not in ("mode", "runtime", "inference")}
    record = Record.model_validate(folded(older | {"schema_version": 4}))
    assert (record.schema_version, record.folded_from, record.mode, record.runtime) == (5, None, "train", "framework")
    assert (record.kind, record.throughput, record.inference) == ("attribution", 3.0, [])


def test_what_is_of_now_is_left_as_it_is() -> None:
    content = {"schema_version": 5, "accuracy": {"test": 3}}
    assert folded(content) == content
    assert folded({}) == {}


@pytest.mark.parametrize("run", REFERENCE, ids=lambda path: path.name)
def test_every_reference_run_is_still_read_tabled_drawn_and_reported(run: Path, tmp_path: Path) -> None:
    assert "<html" in html(chapters([read_run(run)]))
    if run.name.startswith("accuracy-"):
        assert read_accuracy_records(run)
        return
    records = read_records([run])
    assert {record.kind for record in records} == {"attribution" if "attribution" in run.name else "plain"}
    assert markdown(records)
    assert csv(records)
    assert plot_run(run, tmp_path)
