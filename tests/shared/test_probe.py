"""Requests of the ladder, written and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.probe import Task, answer, read_request, write_request
from shared.store import Store
from shared.weights import save_weights
from tests import tiny, tiny_text


def task_of(folder: Path, store: Store) -> Task:
    workload = tiny_text.workload()
    save_weights(folder / "weights.safetensors", tiny_text.weights(tiny_text.architecture(workload)))
    weights = str(folder / "weights.safetensors")
    return Task("input-fp64", "input", "fp64", workload, str(store.path), weights, steps=3, schedule_steps=7)


def test_a_request_there_and_back(tmp_path: Path, babble: Store) -> None:
    tasks = [task_of(tmp_path, babble), Task("p", "parameters", "fp32", tiny.workload(task="labels"), "s", "w")]
    write_request(tmp_path / "request.json", tasks)
    assert read_request(tmp_path / "request.json") == tasks


def test_a_tasks_start_is_in_its_precision(tmp_path: Path, babble: Store) -> None:
    task = task_of(tmp_path, babble)
    expected = tiny_text.weights(tiny_text.architecture(tiny_text.workload()))
    start = task.start()
    assert {value.dtype for value in start.values()} == {np.dtype(np.float64)}
    assert all(np.array_equal(start[name], expected[name]) for name in expected)
    assert len(task.learning_rates()) == 3
    assert np.array_equal(task.batch(2).labels, babble.labels[task.batches().samples(2)])


def test_answers_appear_under_their_tasks_names(tmp_path: Path, babble: Store) -> None:
    class Counting:
        """Answers every task with how many it was asked before."""

        asked = 0

        @property
        def answers(self) -> dict[str, object]:
            return {"input": self.count}

        def count(self, task: Task) -> dict[str, np.ndarray]:
            self.asked += 1
            return {"asked": np.array(self.asked)}

    write_request(tmp_path / "request.json", [task_of(tmp_path, babble)])
    planted: list[tuple[str, str]] = []
    for arguments in (["request.json"], ["request.json", "a_mutation"]):
        names = [str(tmp_path / arguments[0]), str(tmp_path), *arguments[1:]]
        answer(names, Counting(), lambda *what: planted.append(what))  # type: ignore[arg-type]
        with np.load(tmp_path / "input-fp64.npz") as file:
            assert file["asked"] == 1
    assert planted == [("bert", "a_mutation")]
    assert not list(tmp_path.glob(".*.npz"))


def test_a_kind_that_nobody_answers_is_an_error(tmp_path: Path, babble: Store) -> None:
    class Silent:
        answers: dict[str, object] = {}

    write_request(tmp_path / "request.json", [task_of(tmp_path, babble)])
    with pytest.raises(KeyError, match="input"):
        answer([str(tmp_path / "request.json"), str(tmp_path)], Silent(), lambda *_: None)  # type: ignore[arg-type]
