"""Results on disk: one JSON record a cell, schema version 3, written once and never changed.

Tables and plots are made from records alone. Every field is documented here; README "Records" points to this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from bench.host.files import write_atomically
from bench.records.bounds import (
    Batch,
    CellName,
    Cores,
    Epochs,
    Figure,
    Moment,
    Pixels,
    Place,
    Repeat,
    Replicas,
    Seconds,
    Seed,
    Share,
    Size,
    Speed,
    Steps,
    StepTime,
    first_problem,
)
from bench.records.usage import Usage
from shared.errors import UserError
from shared.outside import OutsideError, read_json

RECORD_SCHEMA = 3
READABLE_SCHEMAS = (1, 2, 3)  # 1 had no texts, 2 no monitors and no attribution: what they lack has its default
Kind = TypeVar("Kind", bound=BaseModel)
Status = Literal["ok", "oom", "timeout", "crash", "skipped", "diverged"]


class Record(BaseModel):
    """The outcome of one cell, whatever it was."""

    # a training that diverged has a loss of NaN: JSON has no number for it, a string is read back as one
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    schema_version: int = RECORD_SCHEMA
    run_id: str
    cell_id: CellName
    # what was asked for
    workload: str
    preset: str
    spec_hash: str
    computation_hash: str
    framework: Literal["pt", "tf"]
    variant: str | None = None  # "pt@2.13": the version of it that was asked for; None: the one there is
    arm: Literal["matched", "native"]
    replicas: Replicas
    device: Literal["cuda", "cpu"]
    device_name: str
    cores_per_replica: Cores | None  # None on GPUs
    oversubscribed: bool  # more replicas than cores: no speedup is claimed
    precision: str
    input_mode: str
    repeat: Repeat
    seed: Seed
    epochs: Epochs
    batch_per_replica: Batch
    image_size: Pixels | None  # pixels; None: a text workload
    max_tokens: Pixels | None = None  # width of a text; None: an image workload
    data_name: str  # "synthetic" or the store's source
    data_digest: str
    num_documents: Size | None = None  # of the data, all splits together; None: a record that did not count them
    exchange: bool = True  # whether replicas exchanged gradients; without, an attribution's cell and no training
    num_parameters: Size | None  # trained scalars, as the worker counted them
    # what came of it
    status: Status
    reason: str | None = None  # one line where the status is not "ok"
    certificate: Literal["verified", "unverified"]
    certificate_id: str | None = None
    started: Moment  # UTC, ISO 8601
    wall_seconds: Seconds  # of the whole cell, start of processes to their end
    throughput: Speed | None = None  # samples/s: global samples / max over ranks of the window's seconds
    tokens_per_second: Speed | None = None  # of texts: tokens in the same window, padding not counted
    retraces: Steps | None = None  # how often a step was compiled anew between the first step and the window's end
    measured_steps: Steps | None = None
    window_seconds: list[StepTime] = []  # of each rank
    warmup_steps: Steps | None = None  # before the window: the least, and more until the step time stood still
    warmup_stationary: bool | None = None  # whether it did; None: too few steps to tell
    # seconds a step in the window's first third over those in its last, less 1 (above 0: it still got faster)
    window_drift: Figure | None = None
    window_drift_noise: Figure | None = None  # standard error of that; None: too few steps to tell
    step_seconds: list[StepTime] = []  # of rank 0, in the window
    wait_seconds: list[Seconds] = []  # of rank 0, for each of those steps: how long it waited for its batch
    turn_seconds: list[StepTime] = []  # seconds a step in each turn, where cells took turns (bench/cells/turns.py)
    # of an attribution: part of a step to its seconds, a value a round (shared/parts.py)
    part_seconds: dict[str, list[Seconds]] = {}
    time_to_first_step: Seconds | None = None  # seconds, max over ranks; compilation and tracing included
    memory_rss_peak: Size | None = None  # bytes, summed over the cell's processes (process footprint)
    memory_allocator_peak: Size | None = None  # bytes, max over ranks of the device allocator's peak in the window
    # the same of the whole run, trials for the fastest kernel included; None: not reported, and the above is this one
    memory_allocator_peak_run: Size | None = None
    harness_cpu_seconds: Seconds | None = None  # the harness's own CPU time while the cell ran
    usage: Usage | None = None  # what the harness's monitors saw of processes and GPUs
    # split to the share of samples classified correctly; with several labels a sample: to those whose labels all are
    accuracy: dict[str, Share] = {}
    accuracy_finetuned: dict[str, Share] = {}  # after the second stage
    f1: dict[str, Share] = {}  # split to micro-averaged F1, where a sample may have several labels
    loss_per_epoch: list[float] = []  # mean training loss of rank 0
    settings: dict[str, Any] = {}  # what the worker really used (rank 0)
    log: Place  # path of the cell's log, relative to the run directory

    @model_validator(mode="after")
    def _without_figures_that_are_none(self) -> Self:
        """A training whose loss is not finite diverged, whatever the version that wrote it said, and has no figures."""
        changes: dict[str, Any] = {}
        epochs = [index for index, loss in enumerate(self.loss_per_epoch, 1) if not math.isfinite(loss)]
        if self.status == "ok" and epochs:
            changes = {"status": "diverged", "reason": f"loss is not finite in epoch {epochs[0]}"}
        if "diverged" in (self.status, changes.get("status")):
            changes |= {
                "throughput": None,
                "tokens_per_second": None,
                "accuracy": {},
                "accuracy_finetuned": {},
                "f1": {},
            }
        for name, value in changes.items():
            object.__setattr__(self, name, value)  # it is frozen from here on
        return self

    @property
    def column(self) -> str:
        """The side of a comparison that the record belongs to: a framework, or one of several versions of it."""
        return self.variant or self.framework


def write_record(directory: Path, record: Record) -> Path:
    """Write a record into a run's `records/` folder; the name is the cell's id."""
    return write_as_record(directory, record.cell_id, record)


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        UserError: truncated or foreign JSON, or another schema version.
    """
    return read_as(Record, path, READABLE_SCHEMAS)


def write_as_record(directory: Path, name: str, content: BaseModel) -> Path:
    """Write any kind of record into a run's `records/` folder."""
    path = directory / "records" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.model_dump_json(indent=1) + "\n")
    return path


def read_as(kind: type[Kind], path: Path, schemas: Collection[int]) -> Kind:
    """Read a record of a kind, written in one of some schema versions.

    Raises:
        UserError: truncated or foreign JSON, or another schema version.
    """
    try:
        content = read_json(path)
        if not isinstance(content, dict) or "schema_version" not in content:
            raise OutsideError(path, "no mapping with a schema_version")
    except OutsideError as error:
        raise UserError(f"{path}: not a record ({error.reason}); delete it and run with --resume") from None
    version = content["schema_version"]
    if not isinstance(version, int) or version not in schemas:
        raise UserError(f"{path}: record schema {version!r}, this version reads {', '.join(map(str, schemas))}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from None


def read_records(directories: Iterable[Path], on_bad: Callable[[str], None] | None = None) -> list[Record]:
    """All records of one or more run directories, by cell id.

    Args:
        on_bad: told the line about a record that cannot be read, which is passed over; None: such a record is an error.

    Raises:
        UserError: no such directory, one without records or with none that can be read, or a record that cannot be.
    """
    return [record for directory in directories for record in read_all(directory, read_record, on_bad)]


def read_all(
    directory: Path, read: Callable[[Path], Kind], on_bad: Callable[[str], None] | None = None, maker: str = "run"
) -> list[Kind]:
    """All records of one kind in a run's directory, by name.

    Args:
        read: reads one.
        on_bad: as in `read_records`.
        maker: the sub-command that makes such a run.

    Raises:
        UserError: as in `read_records`.
    """
    paths = record_files(directory)
    if not paths:
        raise UserError(f"{directory}: no records here; name a directory that `bench {maker}` made")
    found, bad = [], []
    for path in paths:
        try:
            found.append(read(path))
        except UserError as error:
            if on_bad is None:
                raise
            bad.append(str(error))
    if not found:
        raise UserError(f"{bad[0]} (none of the {len(bad)} records of {directory} can be read)")
    if on_bad is not None:
        for line in bad:
            on_bad(line)
    return found


def record_files(directory: Path) -> list[Path]:
    """The files of a run's records, by name."""
    return sorted(path for path in (directory / "records").glob("*.json") if not path.name.startswith("."))
