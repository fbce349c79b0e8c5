"""A worker that takes turns and says that its steps took what records.py has for them; trains nothing.

`python -m tests.bench.attribution.turning_worker CELL.json`; TURNING_WORKER names cell ids that fail.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from shared.events import EventWriter
from shared.parts import ROUNDS
from shared.protocol import Cell
from shared.turns import Turns
from tests.bench.attribution.records import PARTS, TIMES

PACE = 10  # times as fast as it says


def main() -> None:
    cell = Cell.read(Path(sys.argv[1]))
    if cell.cell_id in os.environ.get("TURNING_WORKER", "").split(","):
        sys.exit("no room for another one")
    milliseconds = TIMES[cell.framework][cell.input_mode if cell.exchange else "alone"]
    step = milliseconds * (1 + cell.repeat / 1000) / 1e3
    writers = [EventWriter(cell.events_path(rank), rank) for rank in range(cell.replicas)]
    first, *others = writers if cell.framework == "pt" else writers[:1]
    turns, measured = Turns(0), cell.workload.measure.measured_steps
    for writer in (first, *others):
        writer("phase", name="build")
        writer("settings", values={"version.torch" if cell.framework == "pt" else "version.tensorflow": "0.0"})
        writer("first_step", seconds=0.1)
    if turns.taken:
        turns.wait()
    first("phase", name="measure")
    taken: list[float] = []
    done = 0
    while done < measured:
        count = min(turns.wait(step) if turns.taken else measured, measured - done)
        time.sleep(count * step / PACE)
        for index in range(done, done + count):
            first("step", index=index, seconds=step, wait=0.001, measured=True)
        done += count
        taken += [step] if turns.taken else []
    for writer in (first, *others):
        content = {"steps": measured, "samples": 2 * measured, "tokens": None, "retraces": 0, "warmup": 1}
        writer("window", seconds=step * measured, stationary=True, turns=taken, **content)
    if cell.parts:
        for _ in range(ROUNDS if turns.taken else 0):
            turns.wait()
        slower = 1 + cell.repeat / 1000
        timed = {"step": step * 1e3 / slower, **PARTS[cell.framework]}
        rounds = {name: [value * slower / 1e3] * ROUNDS for name, value in timed.items()}
        first("parts", seconds=rounds)
    turns.leave()
    for writer in (first, *others):
        writer("memory", rss_peak=1 << 20, allocator_peak=None)
        writer("done")


if __name__ == "__main__":
    main()
