"""Taking turns: several trainings on one machine, each alone on it for a few steps at a time.

On a machine whose speed changes from second to second, two trainings that run one after the other differ by what the
machine did meanwhile. In turns they meet the same machine. The harness (`bench/cells/turns.py`) names a folder with two
pipes in TWINBENCH_TURNS; a rank 0 that finds it asks there before its warm-up, then before every few steps.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

VARIABLE = "TWINBENCH_TURNS"
ASK, GO = "ask", "go"  # pipes: what a worker says, what it is told
BYE = "bye"


class Turns:
    """A rank's end of it. Where nobody takes turns, and on all ranks but the first, nothing is asked."""

    def __init__(self, rank: int, folder: str | None = None) -> None:
        """
        Args:
            folder: of the pipes; None: the one that TWINBENCH_TURNS names, if any.
        """
        folder = folder or os.environ.get(VARIABLE)
        self.taken = bool(folder)  # the same on every rank
        self._ask: TextIO | None = None
        if folder and rank == 0:
            # open as long as turns are taken, see `leave`
            self._ask = Path(folder, ASK).open("w", encoding="ascii", buffering=1)  # noqa: SIM115
            self._go = Path(folder, GO).open(encoding="ascii")  # noqa: SIM115

    def wait(self, step_seconds: float = 0.0) -> int:
        """End this process's turn and wait for its next one.

        Args:
            step_seconds: what a step took so far; 0: not known yet.

        Returns:
            How many steps the turn is to have; 0 on a rank that does not ask.
        """
        if self._ask is None:
            return 0
        with suppress(BrokenPipeError):  # nobody is there any more to take turns with: every turn is this one's
            self._ask.write(f"{step_seconds!r}\n")
        return int(self._go.readline() or 1)

    def leave(self) -> None:
        """End the last turn."""
        if self._ask is not None:
            with suppress(BrokenPipeError):
                self._ask.write(f"{BYE}\n")
                self._ask.close()
            self._go.close()
            self._ask = None
