"""`bench` whose cells are fakes with a process per rank. It polls often and draws no figures, to save seconds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bench.run.figures
from bench.cells import launch
from bench.cli import main
from bench.host.guardian import Guardian
from shared.protocol import Cell
from tests.bench import fake_bench
from tests.bench.chaos.fake_ranks import HARNESS

UNGUARDED = "TWINBENCH_CHAOS_UNGUARDED"  # set: the guardian sleeps on, to see that its lack is noticed


def ranks_command(cell: Cell, cell_path: Path) -> list[str]:
    """The fake ranks' command line."""
    return [sys.executable, "-m", "tests.bench.chaos.fake_ranks", str(cell_path)]


if __name__ == "__main__":
    os.environ[HARNESS] = str(os.getpid())
    fake_bench.install()
    if UNGUARDED in os.environ:
        Guardian.__init__ = lambda self: setattr(self, "variable", {})  # type: ignore[method-assign]
        Guardian.dismiss = lambda self: None  # type: ignore[method-assign]
    launch.worker_command = ranks_command  # type: ignore[assignment]
    launch.POLL_SECONDS = 0.05
    bench.run.figures.plot_run = lambda directory, out=None: []  # type: ignore[assignment]
    main()
