"""Events survive being written and read; what their declaration does not allow is neither written nor read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.events import KINDS, Done, EventWriter, Phase, Step, Window, of_kind, parse, read_events

WINDOW: dict[str, Any] = {
    "seconds": 1.5, "steps": 3, "samples": 6, "tokens": None, "retraces": 0, "warmup": 2, "stationary": True,
    "turns": [0.5],
}  # fmt: skip
GOOD: dict[str, dict[str, Any]] = {
    "phase": {"name": "measure", "seconds": 2},
    "settings": {"values": {"version.torch": "2.13.0", "affinity": [0, 1], "deterministic": None}},
    "first_step": {"seconds": 3.5},
    "step": {"index": 0, "seconds": 0.5, "wait": 0.0, "measured": False},
    "window": WINDOW,
    "latency": {
        "batch": 4,
        "replicas": 1,
        "widths": [0],
        "first": [2.0],
        "seconds": [0.1, 0.2],
        "prepare": [],
        "whole": [],
        "back_to_back": None,
        "stationary": None,
        "rss_peak": 1,
        "allocator_peak": None,
        "turns": [],
        "failure": None,
    },
    "parts": {"seconds": {"step": [0.1, 0.2]}},
    "epoch": {"index": 0, "steps": 4, "loss": float("inf"), "learning_rate": 0.1},
    "eval": {"split": "test", "stage": "train", "counts": {"samples": 4, "loss": 1.5}},
    "memory": {"rss_peak": 1, "allocator_peak": None},
    "error": {"kind": "oom", "message": "no room"},
    "done": {},
}
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("phase", {"seconds": 2.0}, "name is missing"),
    ("phase", {"name": "measure", "seconds": "soon"}, "seconds is 'soon'"),
    ("phase", {"name": "measure", "seconds": True}, "seconds is True"),
    ("settings", {"values": [1]}, "values is"),
    ("step", {"index": 0.5, "seconds": 0.5, "wait": 0.0, "measured": True}, "index is 0.5"),
    ("step", {"index": 0, "seconds": 0.5, "wait": 0.0, "measured": 1}, "measured is 1"),
    ("step", {"index": 0, "seconds": None, "wait": 0.0, "measured": True}, "seconds is None"),
    ("window", WINDOW | {"turns": ["long"]}, "turns is"),
    ("window", WINDOW | {"samples": 10**400}, "samples is"),
    ("window", WINDOW | {"seconds": 10**400}, "seconds is"),
    ("parts", {"seconds": {"step": 0.1}}, "seconds is"),
    ("eval", {"split": "test", "stage": "train", "counts": {"correct": "all"}}, "counts is"),
    ("eval", {"split": "test", "stage": "train"}, "counts is missing"),
    ("memory", {"rss_peak": 1, "allocator_peak": "much"}, "allocator_peak is 'much'"),
]


def line(event: str, **given: Any) -> str:
    return json.dumps({"event": event, "rank": 0, "time": 1.0, **given})


def test_every_kind_has_an_example() -> None:
    assert set(GOOD) == set(KINDS)


@pytest.mark.parametrize("name", GOOD)
def test_an_event_there_and_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "events.3.jsonl"
    EventWriter(path, 3)(name, **GOOD[name])
    (found,) = read_events(path)
    assert type(found) is KINDS[name]
    assert found.rank == 3
    assert {field: getattr(found, field) for field in GOOD[name]} == GOOD[name]


@pytest.mark.parametrize(("name", "given", "problem"), WRONG)
def test_what_is_not_as_declared_is_neither_written_nor_read(
    tmp_path: Path, name: str, given: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "events.0.jsonl"
    emit = EventWriter(path, 0)
    with pytest.raises(ValueError, match=f"event '{name}': {re.escape(problem)}"):
        emit(name, **given)
        emit("done")  # a step of the window is written, and looked at, with the next event
    assert read_events(path) == []
    assert parse(line(name, **given)) is None


def test_the_writer_says_what_is_wrong(tmp_path: Path) -> None:
    emit = EventWriter(tmp_path / "events.0.jsonl", 0)
    with pytest.raises(ValueError, match="event 'done': mood is not declared"):
        emit("done", mood="well")
    with pytest.raises(ValueError, match="unknown event 'finished'; known: phase"):
        emit("finished")
    assert read_events(tmp_path / "events.0.jsonl") == []


def test_what_no_kind_declares_is_left_out_as_it_is_read() -> None:
    assert parse(line("done", mood="well")) == Done(rank=0, time=1.0)


@pytest.mark.parametrize("lacks", ["rank", "time"])
def test_an_event_without_rank_or_time_is_none(lacks: str) -> None:
    content = json.loads(line("done"))
    del content[lacks]
    assert parse(json.dumps(content)) is None


def test_events_are_on_disk_at_once_and_appended(tmp_path: Path) -> None:
    path = tmp_path / "events.0.jsonl"
    EventWriter(path, 0)("phase", name="build")
    EventWriter(path, 0)("done")
    build, done = read_events(path)
    assert isinstance(build, Phase) and isinstance(done, Done)
    assert (build.name, build.seconds) == ("build", None)
    assert build.time <= done.time


def test_steps_of_the_window_are_written_after_it(tmp_path: Path) -> None:
    path = tmp_path / "events.0.jsonl"
    emit = EventWriter(path, 0)
    for index in range(3):
        emit("step", index=index, seconds=0.5, wait=0.0, measured=True)
        assert read_events(path) == []
    emit("window", **WINDOW)
    events = read_events(path)
    assert [step.index for step in of_kind(events, Step)] == [0, 1, 2]
    assert isinstance(events[-1], Window)


def test_garbage_and_half_written_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.0.jsonl"
    build, done = line("phase", name="build").encode(), line("done").encode()
    lines = [build, b"garbage", b"[1]", b'"done"', b"\xff\xfe", b"null", b"17", b"[" * 100_000, b'{"a": ' * 100_000]
    lines += [line("finished").encode(), b'{"event": ["phase"]}', b"{}", done, b'{"event": "err']
    path.write_bytes(b"\n".join(lines))
    assert [event.event for event in read_events(path)] == ["phase", "done"]


def test_no_file_yet_is_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "absent.jsonl") == []
