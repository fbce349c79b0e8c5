"""A worker's end of taking turns, with a conductor in the test."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.events import Parts, Step, Window, of_kind
from shared.parts import REPEATS, ROUNDS
from shared.store import Store
from shared.turns import ASK, BYE, GO, VARIABLE, Turns
from tests.shared.fake_wing import PART_SECONDS, STEP, WAIT, Clock, FakeWing, page_cell, run


class Conductor:
    """Grants every turn at once, so many steps each, and writes down what was asked."""

    def __init__(self, folder: Path, num_steps: int) -> None:
        for pipe in (ASK, GO):
            os.mkfifo(folder / pipe)
        self.go = os.open(folder / GO, os.O_RDWR)
        self.asked: list[str] = []
        self.thread = threading.Thread(target=self.grant, args=(folder / ASK, num_steps), daemon=True)
        self.thread.start()

    def grant(self, path: Path, num_steps: int) -> None:
        with path.open(encoding="ascii") as requests:
            for line in requests:
                self.asked.append(line.strip())
                if line.strip() != BYE:
                    os.write(self.go, f"{num_steps}\n".encode())

    def end(self) -> None:
        self.thread.join(timeout=60)
        os.close(self.go)
        assert not self.thread.is_alive()


@pytest.fixture
def conductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Conductor]:
    (tmp_path / "turns").mkdir()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "turns"))
    conductor = Conductor(tmp_path / "turns", num_steps=2)
    yield conductor
    conductor.end()


def test_the_window_is_cut_into_turns_and_their_times_add_up(
    tmp_path: Path, noise: Store, clock: Clock, conductor: Conductor
) -> None:
    [window] = of_kind(run(page_cell(tmp_path, noise, warmup=2, measured=5), FakeWing(clock), noise), Window)
    # turns of 2, 2 and 1 steps, each until the device has done them
    assert window.turns == pytest.approx([STEP + WAIT / 2, STEP + WAIT / 2, STEP + WAIT])
    assert window.seconds == pytest.approx(5 * STEP + 3 * WAIT)
    conductor.thread.join(timeout=60)
    assert len(conductor.asked) == 1 + 3 + 1  # the warm-up's turn, those of the window, and the end
    assert conductor.asked[-1] == BYE
    assert float(conductor.asked[0]) == 0.0  # nothing is known yet
    assert float(conductor.asked[1]) > 0.0


def test_waiting_for_a_turn_is_in_no_step(tmp_path: Path, noise: Store, clock: Clock, conductor: Conductor) -> None:
    events = run(page_cell(tmp_path, noise, warmup=2, measured=4), FakeWing(clock), noise)
    assert [event.seconds for event in of_kind(events, Step)][2:] == pytest.approx([STEP] * 4)


def test_the_parts_of_a_step_take_turns_too(tmp_path: Path, noise: Store, clock: Clock, conductor: Conductor) -> None:
    events = run(page_cell(tmp_path, noise, warmup=2, measured=4, parts=True), FakeWing(clock), noise)
    [parts] = of_kind(events, Parts)
    for part, seconds in PART_SECONDS.items():
        assert parts.seconds[part] == pytest.approx([seconds + WAIT / REPEATS] * ROUNDS)
    conductor.thread.join(timeout=60)
    assert len(conductor.asked) == 1 + 2 + (ROUNDS + 1) + 1


def test_the_parts_come_after_the_window_and_are_asked_for(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    events = run(page_cell(tmp_path, noise, parts=True), wing, noise)
    names = [event.event for event in events]
    assert names.index("window") < names.index("parts") < names.index("memory")
    (tmp_path / "without").mkdir()
    assert not of_kind(run(page_cell(tmp_path / "without", noise), FakeWing(clock), noise), Parts)


def test_only_rank_0_asks(conductor: Conductor) -> None:
    second = Turns(rank=1)
    assert second.taken
    assert second.wait() == 0
    second.leave()
    first = Turns(rank=0)
    assert first.wait(0.25) == 2
    first.leave()
    conductor.thread.join(timeout=60)
    assert conductor.asked == ["0.25", BYE]


def test_without_the_variable_nobody_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    turns = Turns(rank=0)
    assert not turns.taken
    assert turns.wait() == 0
    turns.leave()


def test_a_conductor_that_is_gone_lets_the_training_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pipe in (ASK, GO):
        os.mkfifo(tmp_path / pipe)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    ends = [os.open(tmp_path / pipe, os.O_RDWR) for pipe in (ASK, GO)]
    turns = Turns(rank=0)
    for end in ends:
        os.close(end)
    assert turns.wait() == 1
    assert turns.wait() == 1
    turns.leave()
