"""The contract between the harness and a wing's worker: the cell it is given; the events it writes: shared/events.py.

A worker is started as `python -m pt_impl.worker CELL.json` or `python -m tf_impl.worker CELL.json`. The cell says
everything; a worker decides nothing. Each of its ranks appends JSON lines to `events.RANK.jsonl` in the cell's
directory; standard output and error go to a log that nobody parses.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from shared.spec import Workload, check

CELL_SCHEMA = 5  # 5: inference; 4: `eval` events hold the task's own counts

ARMS = ("matched", "native")
PRECISIONS = ("fp32", "bf16", "fp16")
INPUT_MODES = ("disk", "memory", "device")
MODES = ("train", "infer")  # what a cell does with the network
RUNTIMES = ("framework", "onnx")  # what answers requests: the framework itself, or ONNX Runtime what it exports
DEVICES = ("cuda", "cpu")

# exit status of a worker that ran out of memory; any other non-zero status is a crash
EXIT_OUT_OF_MEMORY = 77


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
    logits: bool = False  # train nothing: leave every document's logits (see `logits_path`)
    predictions: bool = False  # leave every evaluated sample's class probabilities (see `predictions_path`)
    mode: str = "train"  # of MODES
    batches: tuple[int, ...] = ()  # samples of a request, ascending: of inference alone
    calls: int = 0  # timed ones of each of those; 0: as many as shared.inference takes
    runtime: str = "framework"  # of RUNTIMES
    variant: str | None = None  # the framework in a version, "pt@2.13"; None: the one there is
    python: str | None = None  # the interpreter of the worker; None: the harness's own
    schema: int = CELL_SCHEMA

    @property
    def global_batch(self) -> int:
        """Samples per step over all replicas."""
        return self.replicas * self.workload.train.batch_per_replica

    def to_json(self) -> dict[str, Any]:
        """As JSON-able values, of this version's schema whatever the plan that the cell was read from had."""
        return asdict(self) | {"workload": self.workload.model_dump(mode="json"), "schema": CELL_SCHEMA}

    def write(self, path: Path) -> None:
        """Write the cell as JSON."""
        path.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")

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
        content["batches"] = tuple(content["batches"])
        return Cell(**content)

    def events_path(self, rank: int) -> Path:
        """The file that a rank appends its events to."""
        return Path(self.directory) / f"events.{rank}.jsonl"

    def predictions_path(self, rank: int) -> Path:
        """The file of a rank's predictions after the last stage: for each split `SPLIT.samples` (int64, n: rows of the
        store) and `SPLIT.probabilities` (float32, n x K, as the task has them)."""
        return Path(self.directory) / f"predictions.{rank}.npz"

    def logits_path(self, rank: int) -> Path:
        """The file of a rank's logits: for each split `SPLIT.samples` (int64, n: rows of the store) and `SPLIT.logits`
        (float32, n x K)."""
        return Path(self.directory) / f"logits.{rank}.npz"


def leave(status: int) -> NoReturn:
    """End this process at once, with all that it wrote on its way.

    A framework's native threads may outlive the interpreter's shutdown and then abort a process whose work is done and
    written (seen once in CI: "terminate called without an active exception"). That would be a failed cell for nothing.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
