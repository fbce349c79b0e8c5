"""The wings' probes: side by side, or one after the other where memory does not hold both; answers are read once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bench.verify import wings
from bench.verify.compare import Arrays
from bench.verify.wings import WINGS, ask, start_probes
from shared.probe import Task
from tests import tiny_text

TASKS = [Task(name, name, "fp64", tiny_text.workload(), "store", "weights") for name in ("forward", "backward")]


class FakeProbe:
    """A probe whose process answers as soon as it is started, and ends."""

    said: list[str] = []

    def __init__(self, wing: str, tasks: list[Task], folder: Path, python: str | None = None) -> None:
        self.wing, self.folder = wing, folder
        folder.mkdir()
        self.said.append(f"{wing} starts")
        for task in tasks:
            if not (wing == "tf" and task.name == "backward"):
                np.savez(self.answer_path(task), wing=np.array(wing))

    answer_path = wings.Probe.answer_path
    answer = wings.Probe.answer
    ended = True

    def wait(self) -> None:
        self.said.append(f"{self.wing} is waited for")

    def close(self) -> None:
        self.said.append(f"{self.wing} ends")

    def last_words(self) -> str:
        return f"{self.wing} has died"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(wings, "Probe", FakeProbe)
    FakeProbe.said = []
    return FakeProbe.said


def started(folder: Path, monkeypatch: pytest.MonkeyPatch, free: float, lines: list[str]) -> list[wings.Probe]:
    monkeypatch.setattr(wings.psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    return start_probes(TASKS, folder, dict.fromkeys(WINGS), 304_000_000, lines.append)


def test_with_memory_enough_both_start_at_once(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    assert len(started(tmp_path, monkeypatch, 64e9, lines)) == 2
    assert said == ["pt starts", "tf starts"]
    assert lines == []


def test_without_one_starts_when_the_other_has_ended(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    assert len(started(tmp_path, monkeypatch, 20e9, lines)) == 2
    assert said == ["pt starts", "pt is waited for", "pt ends", "tf starts"]
    assert lines == ["one wing after the other: both need about 32 GB, 20 GB are free"]


def test_answers_are_handed_over_and_gone(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probes = started(tmp_path, monkeypatch, 20e9, [])
    found: list[tuple[str, Arrays | None, Arrays | None, str]] = []
    ask(probes, TASKS, lambda task, pt, tf, why: found.append((task.name, pt, tf, why)))
    assert [(name, why) for name, _, _, why in found] == [("forward", ""), ("backward", "tf has died")]
    assert [(pt is None, tf is None) for _, pt, tf, _ in found] == [(False, False), (False, True)]
    assert not list(tmp_path.rglob("*.npz")), "they take gigabytes"
