"""Cells that take turns: all alive at once, one of them running, the others stopped.

The speed of a busy machine changes within seconds, by more than what is looked for. Cells that run one after the other
meet it at different speeds; in turns of a fraction of a second they meet the same one, and what is compared are turns
side by side. Loader processes and threads of a cell that is not in turn are stopped too, so that nothing is assembled
ahead in another's time. The worker's end is `shared/turns.py`.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from bench.cells.launch import Limits, Outcome, Progress, run_cell
from bench.host.processes import family, stop
from shared.protocol import Cell
from shared.turns import ASK, BYE, GO, VARIABLE

# Of the slowest; short against changes of a machine's speed, long against what stopping costs. On a busy machine two
# equal processes of 120 steps (PyTorch, `bert-6l` quick) differed by 0.7 % with turns of 0.1 s, by 4 % with 0.4 s.
TURN_SECONDS = 0.1
FEWEST_STEPS = 2  # a turn: the first step after a pause finds cold caches
SEARCHES = 3  # before its warm-up, after it, after a first turn; a search through all processes is dear
POLL_SECONDS = 0.25


class Participant:
    """One that takes turns, as the conductor sees it: two pipes in a folder, and the processes to be stopped."""

    def __init__(
        self, folder: Path, processes: Callable[[], list[psutil.Process]], is_alive: Callable[[], bool]
    ) -> None:
        """
        Args:
            folder: made here; goes into the participant's environment as `environment` says.
            processes: what is to be stopped while others have their turn.
            is_alive: False once it will never ask again.
        """
        self.processes, self.is_alive = processes, is_alive
        self.step_seconds = 0.0  # of its last steps, as it says when it asks; 0: not known yet
        self.num_stops = 0
        self.turn_steps: list[int] = []  # that its turns were to have, the warm-up's first; the last may be cut short
        self._is_stopped = self._is_closed = False
        self._members: list[psutil.Process] = []
        folder.mkdir(parents=True)
        for pipe in (ASK, GO):
            os.mkfifo(folder / pipe, mode=0o600)
        # both ends are open here: neither side waits for the other to open its own, and nobody reads an end of file
        self._ask = os.open(folder / ASK, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._go = os.open(folder / GO, os.O_RDWR | os.O_CLOEXEC)
        self._heard = b""
        self.environment = {VARIABLE: str(folder)}

    def await_request(self) -> bool:
        """Wait until it asks for a turn; False where it never will again."""
        while True:
            line, found, rest = self._heard.partition(b"\n")
            if found:
                self._heard = rest
                if line.decode() == BYE:
                    return False
                self.step_seconds = float(line)
                return True
            if select.select([self._ask], [], [], POLL_SECONDS)[0]:
                self._heard += os.read(self._ask, 4096)
            elif not self.is_alive():
                return False

    def is_waiting(self) -> bool:
        """Whether it has asked for a turn that it has not got yet; asked from another thread."""
        if self._is_closed:
            return False
        try:
            return self._is_stopped or bool(select.select([self._ask], [], [], 0)[0])
        except OSError:  # closed this very moment
            return False

    def go(self, num_steps: int) -> None:
        """Its turn."""
        self.turn_steps.append(num_steps)
        self._is_stopped = False
        self.signal(signal.SIGCONT)
        os.write(self._go, f"{num_steps}\n".encode())

    def stop(self) -> None:
        """Stop all of its processes, once it has asked: looked for anew until its loaders must be there."""
        if self.num_stops < SEARCHES:
            self._members = self.processes()
        self.num_stops += 1
        self._is_stopped = True
        self.signal(signal.SIGSTOP)

    def signal(self, number: signal.Signals) -> None:
        """Signal the processes that were found."""
        for process in self._members:
            with suppress(psutil.Error, OSError):
                process.send_signal(number)

    def close(self) -> None:
        """Let it run on by itself."""
        self._is_closed = True
        self.signal(signal.SIGCONT)
        os.close(self._ask)
        os.close(self._go)


def conduct(participants: Sequence[Participant], turn_seconds: float = TURN_SECONDS) -> None:
    """Give turns until nobody asks any more: a warm-up each, then A B C, C B A, A B C, ... with as many steps each.

    A participant that ends leaves the others to go on. At the end all of them run by themselves.
    """
    try:
        present = [each for each in participants if each.await_request()]
        for each in present:
            each.stop()
        present = [each for each in present if _take_turn(each, 1)]  # the warm-up, however long it is
        # in every turn of every participant the same number of steps: a turn is compared with the turns beside it
        slowest = max((each.step_seconds for each in present), default=0.0)
        num_steps = max(FEWEST_STEPS, round(turn_seconds / slowest)) if slowest > 0 else FEWEST_STEPS
        while present:
            present = [each for each in present if _take_turn(each, num_steps)]
            present.reverse()
    finally:
        for each in participants:
            each.close()


def _take_turn(participant: Participant, num_steps: int) -> bool:
    """One turn; whether it asks for another."""
    participant.go(num_steps)
    asks = participant.await_request()
    if asks:
        participant.stop()
    return asks


def run_in_turns(
    cells: Sequence[Cell],
    variables: Sequence[Mapping[str, str]],
    limits: Limits,
    on_progress: Callable[[Cell, Progress], None],
) -> list[Outcome]:
    """Run cells in turns, each from an empty directory to its end; whatever happens, no process of theirs is left.

    Args:
        cells: those that take turns, all of them alive at once.
        variables: set for each cell's worker.
    """
    outcomes: dict[int, Outcome] = {}
    failures: list[BaseException] = []
    with TemporaryDirectory(prefix="twinbench-turns-") as temporary:
        threads: list[threading.Thread] = []

        def run(index: int, cell: Cell, environment: Mapping[str, str]) -> None:
            def told(progress: Progress) -> None:
                on_progress(cell, progress)

            waits = participants[index].is_waiting
            try:
                outcomes[index] = run_cell(cell, environment, limits, told, waits, num_alive=len(cells))
            except BaseException as error:  # handed on by the thread that waits for this one
                failures.append(error)

        participants = []
        for index, cell in enumerate(cells):
            participant = Participant(
                Path(temporary, str(index)),
                lambda cell=cell: family(cell.directory),  # type: ignore[misc]
                lambda index=index: threads[index].is_alive(),  # type: ignore[misc]
            )
            participants.append(participant)
            environment = {**variables[index], **participant.environment}
            threads.append(threading.Thread(target=run, args=(index, cell, environment), daemon=True))
        try:
            for thread in threads:
                thread.start()
            conduct(participants)
            for thread in threads:
                while thread.is_alive():  # a plain join would not let Ctrl-C through at once
                    thread.join(POLL_SECONDS)
        except BaseException:
            _end(cells, threads)
            raise
    if failures:
        raise failures[0]
    return [outcomes[index] for index in range(len(cells))]


def _end(cells: Sequence[Cell], threads: Sequence[threading.Thread]) -> None:
    """End the cells' processes, and with them the threads that wait for them."""
    while any(thread.is_alive() for thread in threads):
        for cell in cells:
            stop(cell.directory)
        time.sleep(POLL_SECONDS)
