"""A worker with a process per rank, as torchrun has them: `python -m tests.bench.chaos.fake_ranks CELL.json`.

The first process forks the ranks, waits for them, and ends the others when one has failed. TensorFlow's has one rank
and is it. Nobody ends by himself once he has lost his parent: what nobody ends is left, and is seen to be.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from shared.protocol import Cell
from tests.bench.fake_worker import Script

STEP_SECONDS = 0.03
HARNESS = "TWINBENCH_CHAOS_HARNESS"  # its id


def run_rank(cell: Cell, rank: int) -> None:
    """A rank's life; the events are its own alone."""
    script = Script(cell)
    script.writers = script.writers[rank : rank + 1]
    script.steps(seconds=STEP_SECONDS)
    script.rest()


def linger(parent: int) -> None:
    """Stay for minutes where the parent is gone."""
    if os.getppid() != parent:
        time.sleep(300)


def main() -> int:
    """Run the cell named on the command line."""
    cell, harness, own = Cell.read(Path(sys.argv[1])), int(os.environ[HARNESS]), os.getpid()
    if cell.framework == "tf":
        run_rank(cell, 0)
        linger(harness)
        return 0
    ranks = []
    for rank in range(cell.replicas):
        pid = os.fork()
        if pid == 0:
            run_rank(cell, rank)
            linger(own)
            return 0
        ranks.append(pid)
    while ranks:
        pid, status = os.wait()
        ranks.remove(pid)
        if status:
            for other in ranks:
                os.kill(other, signal.SIGKILL)
            return 1
    linger(harness)
    return 0


if __name__ == "__main__":
    sys.exit(main())
