"""Cells in turns: one runs, the others stand still; whatever happens to one, the others go on and nothing is left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from bench.cells import turns
from bench.cells.launch import Limits
from bench.cells.turns import Participant, conduct, run_in_turns
from bench.host import processes
from bench.host.processes import family
from shared.protocol import Cell
from shared.turns import ASK, VARIABLE, Turns

MakeCell = Callable[..., Cell]
LIMITS = Limits(start=120, first_step=120, steady=120, teardown=120)


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE_SECONDS", 0.3)


class Player:
    """A thread that takes turns as a worker does."""

    def __init__(self, name: str, folder: Path, told: list[tuple[str, int]], num_turns: int, seconds: float) -> None:
        self.participant = Participant(folder, list, lambda: self.thread.is_alive())
        self.thread = threading.Thread(target=self.play, args=(name, folder, told, num_turns, seconds), daemon=True)

    def play(self, name: str, folder: Path, told: list[tuple[str, int]], num_turns: int, seconds: float) -> None:
        turn = Turns(0, str(folder))
        told.append((name, turn.wait()))
        for _ in range(num_turns):
            told.append((name, turn.wait(seconds)))
        turn.leave()


def play(tmp_path: Path, num_turns: dict[str, int], seconds: float) -> list[tuple[str, int]]:
    told: list[tuple[str, int]] = []
    players = [Player(name, tmp_path / name, told, count, seconds) for name, count in num_turns.items()]
    for player in players:
        player.thread.start()
    conduct([player.participant for player in players], turn_seconds=0.5)
    for player in players:
        player.thread.join(timeout=60)
        assert not player.thread.is_alive()
    return told


def test_turns_go_to_and_fro(tmp_path: Path) -> None:
    told = play(tmp_path, {"a": 4, "b": 4}, seconds=0.1)
    assert [name for name, _ in told] == ["a", "b", *"ab", *"ba", *"ab", *"ba"]  # a warm-up each, then A B, B A, ...
    assert [steps for _, steps in told[2:]] == [5] * 8  # of 0.5 s, as many for each


def test_who_leaves_early_leaves_the_turns_to_the_others(tmp_path: Path) -> None:
    told = play(tmp_path, {"a": 1, "b": 3, "c": 3}, seconds=0.1)
    assert [name for name, _ in told] == [*"abc", *"abc", *"cb", *"bc"]


def test_steps_too_slow_for_a_turn_come_in_the_fewest(tmp_path: Path) -> None:
    assert {steps for _, steps in play(tmp_path, {"a": 2}, seconds=30.0)[1:]} == {turns.FEWEST_STEPS}


def test_cells_in_turns_are_all_recorded(make_cell: MakeCell, fake_worker: Callable[..., None]) -> None:
    cells = [make_cell("pt", 1), make_cell("tf", 1)]
    shown: list[str] = []
    outcomes = run_in_turns(cells, [{}, {}], LIMITS, lambda cell, progress: shown.append(cell.cell_id))
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    assert set(shown) == {cell.cell_id for cell in cells}
    assert [family(cell.directory) for cell in cells] == [[], []]


def test_a_cell_that_fails_does_not_stop_the_others(make_cell: MakeCell, fake_worker: Callable[..., None]) -> None:
    cells = [make_cell("pt", 1), make_cell("tf", 1)]
    fake_worker({cells[0].cell_id: "crash"})
    outcomes = run_in_turns(cells, [{}, {}], LIMITS, lambda cell, progress: None)
    assert [outcome.status for outcome in outcomes] == ["crash", "ok"]


def test_an_interrupt_leaves_no_process(
    make_cell: MakeCell, fake_worker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [make_cell("pt", 1), make_cell("tf", 1)]
    fake_worker({"*": "hang"})

    def interrupt(participants: object, *_: object) -> None:
        while not all(family(cell.directory) for cell in cells):
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(turns, "conduct", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_in_turns(cells, [{}, {}], LIMITS, lambda cell, progress: None)
    assert [family(cell.directory) for cell in cells] == [[], []]


def test_who_is_not_in_turn_stands_still(tmp_path: Path) -> None:
    """A real process that counts as fast as it can, stopped and continued."""
    import subprocess
    import sys

    count = "import sys, time\nn = 0\nwhile True:\n    n += 1\n    open(sys.argv[1], 'w').write(str(n))\n"
    with subprocess.Popen([sys.executable, "-c", count, str(tmp_path / "n")]) as child:
        participant = Participant(tmp_path / "p", lambda: [psutil.Process(child.pid)], lambda: True)
        try:
            while not (tmp_path / "n").exists():
                time.sleep(0.01)
            participant.stop()
            wait_until_stopped(child.pid, True)
            participant.go(3)
            wait_until_stopped(child.pid, False)
            assert os.read(participant._go, 16) == b"3\n"
            assert not participant.is_waiting()
            Path(participant.environment[VARIABLE], ASK).write_text("0.1\n")
            assert participant.is_waiting(), "it has asked, and nobody has heard it yet"
            assert participant.await_request()
            participant.stop()
            assert participant.is_waiting(), "it stands still"
            assert participant.environment == {VARIABLE: str(tmp_path / "p")}
        finally:
            child.kill()
        participant.close()  # of processes that are gone: nothing to continue, nothing raised


def wait_until_stopped(pid: int, is_stopped: bool) -> None:
    """Or until the test's time is over: a signal takes effect when the system comes to it."""
    while (psutil.Process(pid).status() == psutil.STATUS_STOPPED) is not is_stopped:
        time.sleep(0.01)
