"""A gate of known latencies: two inferences that sleep take turns as two revisions do, and the rule judges them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cells.summary import inference_figures
from bench.cells.turns import Participant, conduct
from bench.gate.measure import log_ratios
from bench.gate.rule import judge, looks
from bench.gate.running import Measured, steps_of_turns
from shared import inference
from shared.events import EventWriter, read_events
from shared.protocol import Cell
from shared.store import Store
from shared.turns import Turns
from tests import tiny
from tests.shared.test_inference import Sleeper

CALL = 0.004  # seconds
CALLS = 40
TURN = 0.04  # seconds
PAIRS = 7
THRESHOLD = 0.03


def side(
    folder: Path, store: Store, seconds: float, first: threading.Event
) -> tuple[Participant, threading.Thread, Cell]:
    """One inference that sleeps so long per call, in a thread of its own."""
    folder.mkdir()
    cell = replace(tiny.make_cell(folder, store.path, epochs=0), mode="infer", batches=(2,), calls=CALLS)
    # a busy machine: both are slowed down together, as turns side by side are
    wing = Sleeper([seconds], lambda each: time.sleep(each * (1.5 if first.is_set() else 1.0)))
    made: list[threading.Thread] = []
    participant = Participant(folder / "pipes", list, lambda: made[0].is_alive())

    def run() -> None:
        inference.infer(cell, wing, store, EventWriter(cell.events_path(0), 0), time.perf_counter())  # type: ignore[arg-type]

    made.append(threading.Thread(target=run, daemon=True))
    return participant, made[0], cell


def pair(folder: Path, store: Store, base: float, head: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """The log-ratio of one pair."""
    folder.mkdir()
    busy = threading.Event()
    made = [side(folder / name, store, seconds, busy) for name, seconds in (("base", base), ("head", head))]
    pipes = iter([str(folder / name / "pipes") for name in ("base", "head")])
    taken: dict[int, str] = {}

    def turns_of(rank: int) -> Turns:
        return Turns(rank, taken.setdefault(threading.get_ident(), next(pipes)))

    monkeypatch.setattr(inference, "Turns", turns_of)
    timer = threading.Timer(CALLS * CALL, busy.set)  # in the middle of it
    timer.start()
    for _, thread, _ in made:
        thread.start()
        time.sleep(0.01)  # the base takes its pipes first
    conduct([participant for participant, _, _ in made], TURN)
    found: list[Measured] = []
    for participant, thread, cell in made:
        thread.join(30)
        figures: dict[str, Any] = inference_figures([read_events(cell.events_path(0))])
        asked = participant.turn_steps[1:]
        seconds = tuple(figures["turn_seconds"][: len(asked)])
        steps = steps_of_turns(asked[: len(seconds)], figures["measured_steps"])
        assert sum(steps) == CALLS
        throughput = 2e3 / figures["inference"][0]["p50_ms"]
        found.append(Measured(throughput, seconds, steps, "", "", "cpu", {}, of_medians=True))
    timer.cancel()
    return log_ratios(*found)[0]


Gate = Callable[[float], str]


@pytest.fixture
def gate(tmp_path: Path, noise: Store, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """The decision on a head that takes so many times as long."""

    def decide(factor: float) -> str:
        logs = [
            pair(tmp_path / f"{factor}-{number}", noise, CALL, CALL * factor, monkeypatch) for number in range(PAIRS)
        ]
        verdict = judge(logs, THRESHOLD, looks(PAIRS), ended=True)
        assert abs(np.log(factor) + np.median(logs)) < 0.05, logs
        return verdict.decision

    return decide


def test_a_planted_tenth_is_caught_and_the_same_revision_is_not(gate: Gate) -> None:
    assert gate(1.1) == "regression"
    assert gate(1.0) in ("pass", "undecided")
