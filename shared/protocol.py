"""The contract between the harness and a wing's worker: the cell it is given, the events it writes.

A worker is started as `python -m pt_impl.worker CELL.json` or `python -m tf_impl.worker CELL.json`. The cell says
everything; a worker decides nothing. Each of its ranks appends JSON lines to `events.RANK.jsonl` in the cell's
directory; standard output and error go to a log that nobody parses.
"""

from __future__ import annotations

import json
import os
import sys
import time
import weakref
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

from shared.spec import Workload, check

CELL_SCHEMA = 3

ARMS = ("matched", "native")
PRECISIONS = ("fp32", "bf16", "fp16")
INPUT_MODES = ("disk", "memory", "device")
DEVICES = ("cuda", "cpu")

# exit status of a worker that ran out of memory; any other non-zero status is a crash
EXIT_OUT_OF_MEMORY = 77

# Every event has `event`, `rank` and `time` (seconds of time.time()). Their further fields:
EVENTS = {
    "phase": "name: build | warmup | measure | train | evaluate | finetune | done; of measure also seconds: what the "
    "window should take at the warm-up's pace",
    "settings": "what the worker really uses: a flat mapping (versions, threads, affinity, layout, allocator, ...)",
    "first_step": "seconds: from the start of the process to the end of the first step (compilation included)",
    "step": "index: from 0 over the whole training; seconds: wall time of the step; wait: seconds of it that it waited "
    "for its batch; measured: whether in the window",
    "window": "seconds: between two device-synchronised barriers; steps; samples: of this rank; tokens: of this rank's "
    "texts, padding not counted, or null; retraces: how often the step was compiled anew since the first step; warmup: "
    "steps before the window; stationary: whether the step time stood still by then, or null; turns: where trainings "
    "take turns, seconds a step in each (`seconds` is their sum)",
    "parts": "seconds: part of a step to a list of seconds, one a round (see shared.parts)",
    "epoch": "index; steps: of how many; loss: mean training loss of this rank; rate: the last learning rate",
    "eval": "split; stage: train | finetune; over this rank's samples: correct; total; loss: summed; of the labels: "
    "hits: given and right; predicted: given; relevant: right",
    "memory": "rss_peak: bytes of this process; of the framework's device allocator, or null: allocator_peak: bytes in "
    "the window; allocator_peak_run: in the whole run, kernels' trials for the fastest included",
    "error": "kind: oom | error | diverged (a loss or logits that are not finite); message: one line",
    "done": "no further fields: the rank finished everything it was asked for",
}


@dataclass(frozen=True)
class Cell:
    """One (workload, framework, arm, replicas, precision, input mode, repeat): one fresh process group."""

    cell_id: str
    framework: str
    arm: str
    replicas: int
    device: str
    precision: str
    input_mode: str
    repeat: int
    seed: int
    workload: Workload
    store: str  # path of the prepared store; its image size is the workload's
    directory: str  # where events, log and results of this cell go
    cores: tuple[tuple[int, ...], ...] = ()  # CPU core ids of each replica; empty: not pinned (GPU)
    threads_per_replica: int = 1
    epochs: int = 0  # 0: stop after the measured steps, evaluate nothing
    finetune: bool = False  # run the second stage (classifier only) after the first; with 0 epochs, instead of it
    loader_workers: int = 1  # processes or threads that assemble batches, per replica
    weights: str | None = None  # safetensors file with canonical names to start from; None: seeded initial weights
    checkpoint: str | None = None  # where rank 0 leaves the final weights; None: nowhere
    splits: str | None = None  # .npy of split codes (int8, N) in place of the store's own
    exchange: bool = True  # whether gradients are averaged over replicas; without, replicas drift apart: to time only
    parts: bool = False  # time the parts of a step after the window (see shared.parts)
    predictions: bool = False  # leave every evaluated sample's class probabilities (see `predictions_path`)
    variant: str | None = None  # the framework in a version, "pt@2.13"; None: the one there is
    python: str | None = None  # the interpreter of the worker; None: the harness's own
    schema: int = CELL_SCHEMA

    @property
    def global_batch(self) -> int:
        """Samples a step over all replicas."""
        return self.replicas * self.workload.train.batch_per_replica

    def write(self, path: Path) -> None:
        """Write the cell as JSON."""
        content = asdict(self) | {"workload": self.workload.model_dump(mode="json")}
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")

    @staticmethod
    def read(path: Path) -> Cell:
        """Read what `write` wrote.

        Raises:
            ValueError: written by another version of the suite.
        """
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.get("schema") != CELL_SCHEMA:
            raise ValueError(f"{path}: cell schema {content.get('schema')!r}, this worker reads {CELL_SCHEMA}")
        content["workload"] = check(content["workload"], str(path))
        content["cores"] = tuple(tuple(group) for group in content["cores"])
        return Cell(**content)

    def events_path(self, rank: int) -> Path:
        """The file that a rank appends its events to."""
        return Path(self.directory) / f"events.{rank}.jsonl"

    def predictions_path(self, rank: int) -> Path:
        """The file of a rank's predictions after the last stage: for each split `SPLIT.samples` (int64, n: rows of the
        store) and `SPLIT.probabilities` (float32, n x K: softmax, or for several labels the sigmoid of each)."""
        return Path(self.directory) / f"predictions.{rank}.npz"


@dataclass
class EventWriter:
    """Appends a rank's events, one JSON line each, flushed at once so that a crash loses none.

    The steps of the window are kept in memory until the next event of any other kind, or the end of the process: what
    is timed has no writing in it, and who follows the file finds it still. A process that is killed inside its window
    loses those steps, of which nothing is made without the window.
    """

    path: Path
    rank: int
    _file: TextIO = field(init=False)
    _held: list[tuple[float, dict[str, Any]]] = field(init=False, default_factory=list)  # time, fields of steps

    def __post_init__(self) -> None:
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        weakref.finalize(self, _write_steps, self._file, self.rank, self._held)  # a crash that raises loses none either

    def __call__(self, event: str, **fields: Any) -> None:
        """Write one event, or keep it where it is a step of the window.

        Raises:
            ValueError: a name that EVENTS does not list.
        """
        if event not in EVENTS:
            raise ValueError(f"unknown event {event!r}; known: {', '.join(EVENTS)}")
        if event == "step" and fields.get("measured"):
            self._held.append((time.time(), fields))
            return
        _write_steps(self._file, self.rank, self._held)
        self._file.write(_line(event, self.rank, time.time(), fields))


def _line(event: str, rank: int, moment: float, fields: dict[str, Any]) -> str:
    return json.dumps({"event": event, "rank": rank, "time": moment, **fields}) + "\n"


def _write_steps(file: TextIO, rank: int, held: list[tuple[float, dict[str, Any]]]) -> None:
    """Write all steps that were kept, at once."""
    if held:
        file.write("".join(_line("step", rank, moment, fields) for moment, fields in held))
        held.clear()


def read_events(path: Path) -> list[dict[str, Any]]:
    """A rank's events so far; a last line that is still being written, or garbage, is passed over."""
    events = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(event, dict) and str(event.get("event")) in EVENTS:
                events.append(event)
    return events


def leave(status: int) -> NoReturn:
    """End this process at once, with all that it wrote on its way.

    A framework's native threads may outlive the interpreter's shutdown and then abort a process whose work is done and
    written (seen once in CI: "terminate called without an active exception"). That would be a failed cell for nothing.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
