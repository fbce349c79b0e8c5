"""A worker that speaks the protocol and trains nothing: `python fake_worker.py CELL.json`.

What it does beside that is named in FAKE_WORKER: a JSON object from cell id (or "*") to a behaviour below.
One process writes the events of all ranks.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from shared.events import EventWriter
from shared.families import family_of
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell
from shared.session import open_cell_store
from shared.weights import save_weights

STEP_SECONDS = 0.01
# ignores SIGTERM, lives in a session of its own, and has lost its parent once that has ended
STUBBORN = (
    "import os, signal, sys, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(300)"
)


def spawn_stubborn(cell: Cell) -> None:
    """Start a grandchild that survives SIGTERM and its parent; its id goes to `grandchild.pid`."""
    path = Path(cell.directory) / "grandchild.pid"
    middle = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]])"
    subprocess.run([sys.executable, "-c", middle, STUBBORN, str(path)], check=True)
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)


class Script:
    """The parts of a cell's life, for all ranks."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        ranks = range(cell.replicas if cell.framework == "pt" else 1)
        self.writers = [EventWriter(cell.events_path(rank), rank) for rank in ranks]
        self.samples = cell.workload.train.batch_per_replica * cell.replicas // len(self.writers)

    def say(self, event: str, **fields: object) -> None:
        for writer in self.writers:
            writer(event, **fields)

    def steps(self, count: int | None = None, seconds: float = STEP_SECONDS) -> None:
        measure = self.cell.workload.measure
        self.say("phase", name="build")
        used = {"threads": self.cell.threads_per_replica, "num_parameters": 1234, "version.torch": "0.0"}
        self.say("settings", values=used)
        self.say("phase", name="warmup")
        self.say("first_step", seconds=1.5)
        total = measure.warmup_steps + measure.measured_steps if count is None else count
        window = seconds * measure.measured_steps
        for index in range(total):
            if index == measure.warmup_steps:
                self.say("phase", name="measure", seconds=window)
            time.sleep(seconds)
            self.say("step", index=index, seconds=seconds, wait=0.0, measured=index >= measure.warmup_steps)
        if count is not None:  # it goes no further
            return
        for rank, writer in enumerate(self.writers):
            samples = measure.measured_steps * self.samples
            seconds = window * (1 + rank)
            content = {"steps": measure.measured_steps, "samples": samples, "tokens": None, "retraces": 0}
            found = {"warmup": measure.warmup_steps, "stationary": True, "turns": []}
            writer("window", seconds=seconds, **content, **found)
            writer("phase", name="train")

    def rest(self, done: bool = True) -> None:
        if self.cell.epochs:
            self.say("epoch", index=0, steps=4, loss=float("nan") if self.cell.seed == 13 else 0.7, learning_rate=0.1)
            self.say("phase", name="evaluate")
            for split, correct in (("train", 3), ("val", 2), ("test", 1)):
                labels = {"hits": correct, "predicted": 4, "relevant": 4}
                counts = {"samples": 4, "loss": 1.0, "correct": correct, **labels}
                self.say("eval", split=split, stage="train", counts=counts)
        self.say("memory", rss_peak=1 << 20, allocator_peak=None)
        if done:
            self.say("done")


def ok(script: Script) -> None:
    if script.cell.logits:
        asked(script)
        return
    script.steps()
    script.rest()
    if script.cell.checkpoint:
        workload = script.cell.workload
        of_family = family_of(workload)
        save_weights(Path(script.cell.checkpoint), of_family.initial_weights(of_family.architecture(workload), 0))


def asked(script: Script) -> None:
    """A teacher, whose logits tell the document, its first word's token and the class from every other's."""
    cell, kept = script.cell, {}
    script.say("phase", name="evaluate")
    store = open_cell_store(cell)
    rows = store.indices("test")
    with (Path(cell.directory).parent / "asked.txt").open("a") as file:
        file.write(f"{rows[0]}..{rows[-1]}\n")
    assert store.tokens is not None
    logits = rows[:, None] + store.tokens[rows, 1:2] / 1e4 + np.arange(cell.workload.model.num_classes) / 10
    kept = {"test.samples": rows[::-1], "test.logits": logits[::-1].astype(np.float32)}
    np.savez(cell.logits_path(0), allow_pickle=False, **kept)
    script.say("done")


def few_answers(script: Script) -> None:
    """A teacher that leaves out a document."""
    asked(script)
    path = script.cell.logits_path(0)
    with np.load(path) as found:
        kept = {name: found[name][1:] for name in found.files}
    np.savez(path, **kept)


def steady(script: Script) -> None:
    """A second, most of it the window, in which one process is busy for as long as FAKE_BUSY says."""
    script.say("phase", name="build")
    script.say("phase", name="warmup")
    script.say("first_step", seconds=0.5)
    time.sleep(0.3)
    script.say("phase", name="measure", seconds=1.0)
    busy_until = time.process_time() + float(os.environ.get("FAKE_BUSY", "0"))
    while time.process_time() < busy_until:
        pass
    for index in range(10):
        time.sleep(0.05)
        script.say("step", index=index, seconds=0.1, wait=0.0, measured=True)
    window: dict[str, object] = {"seconds": 1.0, "steps": 10, "samples": 10 * script.samples, "tokens": None}
    script.say("window", **window, retraces=0, warmup=0, stationary=True, turns=[])
    script.say("phase", name="train")
    time.sleep(0.3)
    script.rest()


def crash(script: Script) -> None:
    script.steps(count=2)
    print("a traceback\nValueError: the last word\n\n", flush=True)
    sys.exit(1)


def error_event(script: Script) -> None:
    script.steps(count=2)
    script.writers[-1]("error", kind="error", message="rank lost its way")
    sys.exit(1)


def error_then_hang(script: Script) -> None:
    script.steps(count=2)
    script.writers[-1]("error", kind="error", message="rank lost its way")
    time.sleep(300)


def oom_exit(script: Script) -> None:
    script.steps(count=1)
    sys.exit(EXIT_OUT_OF_MEMORY)


def oom_event(script: Script) -> None:
    script.writers[0]("error", kind="oom", message="tried to allocate a lot")
    sys.exit(1)


def diverged(script: Script) -> None:
    script.steps()
    script.say("error", kind="diverged", message="loss is NaN at step 2")


def diverged_and_oom(script: Script) -> None:
    script.writers[0]("error", kind="diverged", message="loss is NaN at step 2")
    script.writers[-1]("error", kind="oom", message="tried to allocate a lot")


def killed(script: Script) -> None:
    script.steps(count=1)
    os.kill(os.getpid(), signal.SIGKILL)


def one_rank_missing(script: Script) -> None:
    script.steps()
    script.rest(done=False)
    script.writers[0]("done")


def silent(script: Script) -> None:
    time.sleep(300)


def no_step(script: Script) -> None:
    script.say("phase", name="build")
    time.sleep(300)


def hang(script: Script) -> None:
    spawn_stubborn(script.cell)
    script.steps(count=2)
    time.sleep(300)


def hang_after_done(script: Script) -> None:
    ok(script)
    time.sleep(300)


def grandchild(script: Script) -> None:
    spawn_stubborn(script.cell)
    ok(script)


def garbage(script: Script) -> None:
    os.write(1, bytes(range(256)) * 64)
    with script.cell.events_path(0).open("ab") as file:
        for line in (
            b"\xff\xfe\x00",
            b'{"event": "step"}',
            b'{"event": 3}',
            b"[]",
            b"null",
            b"{",
            b'{"event": "eval"}',
            b'{"event": "eval", "rank": 0, "time": 1.0, "split": "test", "stage": "train", "counts": 4}',
            b'{"event": "window", "rank": 0, "time": 1.0, "seconds": 1.0, "steps": 1, "samples": 1}',
            b'{"event": "memory", "rank": 0, "time": 1.0, "rss_peak": 1}',
        ):
            file.write(line + b"\n")
        file.write(b'{"event": "window", "seconds": "soon", "steps": 1, "samples": 1}\n' + b"[" * 100_000 + b"\n")
    ok(script)


BEHAVIOURS: dict[str, Callable[[Script], None]] = {
    function.__name__: function
    for function in (ok, few_answers, steady, crash, error_event, error_then_hang, oom_exit, oom_event, killed,
                     diverged, diverged_and_oom, one_rank_missing, silent, no_step, hang, hang_after_done,
                     grandchild, garbage)
}  # fmt: skip


def main() -> None:
    cell = Cell.read(Path(sys.argv[1]))
    chosen = json.loads(os.environ.get("FAKE_WORKER", "{}"))
    BEHAVIOURS[chosen.get(cell.cell_id, chosen.get("*", "ok"))](Script(cell))


if __name__ == "__main__":
    main()
