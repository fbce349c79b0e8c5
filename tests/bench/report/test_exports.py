"""Markdown, CSV, Parquet and MLPerf-style lines of runs with known answers."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from bench.host.files import write_for_user
from bench.host.locations import PROJECT_ROOT
from bench.report import exports, mllog
from bench.report.blocks import Chapter, Notes, Section, Text, number, table, texts_table
from bench.report.markdown import markdown
from bench.report.sources import read_runs
from shared.errors import UserError
from tests.bench.compare.records import write_run
from tests.bench.report.runs import failed_record, make_run, records


def mllog_lines(run: Path) -> dict[str, list[dict[str, Any]]]:
    """Namespace to the content of its lines."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in mllog.mllog(read_runs([run])).decode().splitlines():
        token, _, content = line.partition(" ")
        assert token == ":::MLLOG"
        found.setdefault(json.loads(content)["namespace"], []).append(json.loads(content))
    return found


def test_markdown_shows_texts_as_they_are() -> None:
    rows = [
        {"cell": "a|b <b>", "samples/s": number(1234.5, 1), "empty": ""},
        {"cell": "_c_", "samples/s": number(None, 1), "empty": "-"},
    ]
    blocks = (Text("*done*", "good"), table("t", "The caption", rows), Notes(("one", "two\nthree")))
    chapter = Chapter(
        "run", "short", "title", "answer", "lead", (Text("read this", "bad"),), (Section("s", "Part", blocks),)
    )
    assert markdown([chapter]) == (
        "# title\n\n**answer**\n\n- **read this**\n\nlead\n\n## Part\n\n**\\*done\\***\n\n*The caption*\n\n"
        "| cell | samples/s |\n| --- | ---: |\n| a/b &lt;b&gt; | 1,234.5 |\n| \\_c\\_ | - |\n\n- one\n- two three\n"
    )


def test_a_column_of_figures_is_sorted_by_them() -> None:
    made = texts_table(
        "t",
        "c",
        ["part", "ms", "accuracy"],
        [["a", "12.5 [12, 13]", "0.9/0.8"], ["b", "-", "-"], ["c", "-3 %", "1"]],
        True,
    )
    assert made.numeric == (False, True, False)
    assert [row[1].order for row in made.rows] == [12.5, None, -3.0]


def test_csv_and_parquet_hold_every_record_with_all_its_fields(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    runs = read_runs([make_run(tmp_path / "run", failed_record('out, of "memory"'), repeats=2)])
    lines = list(csv.DictReader(io.StringIO(exports.csv(runs).decode())))
    frame = pandas.read_parquet(io.BytesIO(exports.parquet(runs)))
    assert len(lines) == len(frame) == 9
    (failed,) = [line for line in lines if line["status"] == "oom"]
    assert (failed["reason"], failed["throughput"], failed["run"]) == ('out, of "memory"', "", "run")
    good = frame[(frame["framework"] == "tf") & (frame["replicas"] == 2) & (frame["repeat"] == 1)].iloc[0]
    assert good["throughput"] == 120.0
    assert good["scores.train.test.accuracy"] == 0.9
    assert json.loads(good["step_seconds"]) == [0.1, 0.2, 0.3]
    assert json.loads(good["settings.affinity"]) == [0, 1]


def test_a_run_of_accuracy_is_exported_too_and_has_no_timings() -> None:
    runs = read_runs([PROJECT_ROOT / "results/reference/accuracy-synthetic"])
    lines = list(csv.DictReader(io.StringIO(exports.csv(runs).decode())))
    assert {line["framework"] for line in lines} >= {"pt", "tf"}
    assert all(0 <= float(line["accuracy.test"]) <= 1 for line in lines if line["accuracy.test"])
    with pytest.raises(UserError, match="times nothing; leave out --mllog"):
        mllog.mllog(runs)


def test_mllog_takes_its_times_from_the_record(tmp_path: Path) -> None:
    first = records(repeats=1, speeds={("pt", 2): 180.0})[0]
    found = first.model_copy(update={"started": "2026-01-01T00:00:00+00:00", "wall_seconds": 60.0})
    ((name, lines),) = mllog_lines(write_run(tmp_path / "run", found)).items()
    assert name == found.cell_id
    keys = {line["key"]: line for line in lines}
    start = 1_767_225_600_000
    assert keys["submission_benchmark"]["value"] == "effnet-b0"
    assert keys["global_batch_size"]["value"] == 32
    assert keys["seed"]["value"] == 0
    assert (keys["init_start"]["event_type"], keys["init_start"]["time_ms"]) == ("INTERVAL_START", start)
    assert (keys["run_start"]["event_type"], keys["run_start"]["time_ms"]) == ("INTERVAL_START", start + 2000)
    assert (keys["run_stop"]["event_type"], keys["run_stop"]["time_ms"]) == ("INTERVAL_END", start + 60_000)
    assert keys["run_stop"]["metadata"]["status"] == "success"
    assert keys["tracked_stats"]["value"] == {"throughput": 180.0 * 0.99}
    assert keys["train_samples"]["value"] == 30 * 32
    assert [line["value"] for line in lines if line["key"] == "eval_accuracy"] == [1.0, 0.95, 0.9]
    assert [line["time_ms"] for line in lines] == sorted(line["time_ms"] for line in lines)
    assert list(lines[0]) == ["namespace", "time_ms", "event_type", "key", "value", "metadata"]


def test_mllog_takes_its_times_from_the_events_where_they_are_there(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", repeats=1, started="2026-01-01T00:00:00+00:00", wall_seconds=60.0)
    name = "pt-matched-r1-disk-0"
    at = 1_767_225_600.0
    events = [
        {"event": "phase", "name": "build", "time": at + 1},
        {"event": "phase", "name": "warmup", "time": at + 5},
        {"event": "epoch", "index": 0, "steps": 4, "loss": 1.0, "learning_rate": 0.1, "time": at + 20},
        {"event": "epoch", "index": 1, "steps": 4, "loss": 0.5, "learning_rate": 0.1, "time": at + 30},
        {"event": "eval", "split": "test", "stage": "train", "counts": {"correct": 9, "samples": 10}, "time": at + 35},
        {"event": "memory", "rss_peak": 1, "allocator_peak": None, "time": float("inf")},
        {"event": "memory", "rss_peak": 1, "allocator_peak": None, "time": float("nan")},
        {"event": "memory", "rss_peak": 1, "allocator_peak": None, "time": 10**400},
        {"event": "done", "time": at + 36},
    ]  # fmt: skip
    text = "".join(json.dumps({"rank": 0} | event) + "\n" for event in events) + '{"event": "do'
    (run / f"cells/{name}/events.0.jsonl").write_text(text)
    lines = mllog_lines(run)[name]
    seconds = [(line["key"], line["time_ms"] / 1e3 - at) for line in lines]
    assert ("run_start", 5) in seconds
    assert [each for each in seconds if each[0].startswith("epoch")] == [
        ("epoch_start", 5), ("epoch_stop", 20), ("epoch_start", 20), ("epoch_stop", 30),
    ]  # fmt: skip
    assert ("eval_accuracy", 35) in seconds
    assert seconds[-1] == ("run_stop", 36)


def test_mllog_has_the_scores_of_both_stages_and_f1_each_at_its_time(tmp_path: Path) -> None:
    scores = {
        "train": {"val": {"accuracy": 0.5}, "test": {"accuracy": 0.6, "f1": 0.65}},
        "finetune": {"val": {"accuracy": 0.7}, "test": {"accuracy": 0.8}},
    }
    found = records(repeats=1, speeds={("pt", 1): 10.0}, scores=scores)
    run = write_run(tmp_path / "run", *found)
    at = 1_767_225_600.0
    events = [
        {"event": "eval", "stage": stage, "split": split, "time": at + seconds, "counts": {"samples": 2}}
        for seconds, stage, split in ((9, "train", "test"), (10, "train", "val"), (11, "train", "test"),
                                      (20, "finetune", "val"), (21, "finetune", "test"))
    ]  # fmt: skip
    path = run / f"cells/{found[0].cell_id}/events.0.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps({"rank": 0} | event) + "\n" for event in events))
    lines = [line for line in mllog_lines(run)[found[0].cell_id] if line["key"].startswith("eval_")]
    assert [
        (line["time_ms"] / 1e3 - at, line["key"], line["metadata"]["stage"], line["metadata"]["split"], line["value"])
        for line in lines
    ] == [
        (10, "eval_accuracy", "train", "val", 0.5), (11, "eval_accuracy", "train", "test", 0.6),
        (11, "eval_f1", "train", "test", 0.65), (20, "eval_accuracy", "finetune", "val", 0.7),
        (21, "eval_accuracy", "finetune", "test", 0.8),
    ]  # fmt: skip
    assert [line["metadata"].get("epoch_num") for line in lines] == [3, 3, 3, None, None]


def test_an_interrupted_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_for_user(tmp_path / "page.html", b"x")
    assert list(tmp_path.iterdir()) == []


def test_mllog_of_a_failed_cell_says_so(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", failed_record("out of memory"))
    (lines,) = mllog_lines(run).values()
    assert lines[-1]["metadata"]["status"] == "aborted"
    assert lines[-1]["metadata"]["reason"] == "out of memory"
    assert "tracked_stats" not in {line["key"] for line in lines}
