"""Results on disk: one JSON record a cell, schema version 3, written once and never changed.

Tables and plots are made from records alone. Every field is documented here; README "Records" points to this file.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.monitors.usage import Usage
from shared.errors import UserError

RECORD_SCHEMA = 3
READABLE_SCHEMAS = (1, 2, 3)  # 1 had no texts, 2 no monitors and no attribution: what they lack has its default
TEMPORARY = ".writing"  # how the name of a file ends that is not whole yet
Kind = TypeVar("Kind", bound=BaseModel)
Status = Literal["ok", "oom", "timeout", "crash", "skipped", "diverged"]


def check_moment(text: str) -> str:
    """Let a date and time pass that says how far it is from UTC: others cannot be compared with each other.

    Raises:
        ValueError: anything else; pydantic names the field.
    """
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"no offset from UTC in {text!r}")
    return text


Moment = Annotated[str, AfterValidator(check_moment)]
Speed = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, lt=1e9, allow_inf_nan=False)]  # a cell of thirty years is none


class Record(BaseModel):
    """The outcome of one cell, whatever it was."""

    # a training that diverged has a loss of NaN: JSON has no number for it, a string is read back as one
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    schema_version: int = RECORD_SCHEMA
    run_id: str
    cell_id: str
    # what was asked for
    workload: str
    preset: str
    spec_hash: str
    computation_hash: str
    framework: Literal["pt", "tf"]
    variant: str | None = None  # "pt@2.13": the version of it that was asked for; None: the one there is
    arm: Literal["matched", "native"]
    replicas: int
    device: Literal["cuda", "cpu"]
    device_name: str
    cores_per_replica: int | None  # None on GPUs
    oversubscribed: bool  # more replicas than cores: no speedup is claimed
    precision: str
    input_mode: str
    repeat: int
    seed: int
    epochs: int
    batch_per_replica: int
    image_size: int | None  # pixels; None: a text workload
    max_tokens: int | None = None  # width of a text; None: an image workload
    data_name: str  # "synthetic" or the store's source
    data_digest: str
    num_documents: int | None = None  # of the data, all splits together; None: a record that did not count them
    exchange: bool = True  # whether replicas exchanged gradients; without, an attribution's cell and no training
    num_parameters: int | None  # trained scalars, as the worker counted them
    # what came of it
    status: Status
    reason: str | None = None  # one line where the status is not "ok"
    certificate: Literal["verified", "unverified"]
    certificate_id: str | None = None
    started: Moment  # UTC, ISO 8601
    wall_seconds: Seconds  # of the whole cell, start of processes to their end
    throughput: Speed | None = None  # samples/s: global samples / max over ranks of the window's seconds
    tokens_per_second: float | None = None  # of texts: tokens in the same window, padding not counted
    retraces: int | None = None  # how often a step was compiled anew between the first step and the window's end
    measured_steps: int | None = None
    window_seconds: list[float] = []  # of each rank
    warmup_steps: int | None = None  # before the window: the workload's least, and more until the step time stood still
    warmup_stationary: bool | None = None  # whether it did; None: too few steps to tell
    # seconds a step in the window's first third over those in its last, less 1 (above 0: it still got faster)
    window_drift: float | None = None
    window_drift_noise: float | None = None  # standard error of that; None: too few steps to tell
    step_seconds: list[float] = []  # of rank 0, in the window
    wait_seconds: list[float] = []  # of rank 0, for each of those steps: how long it waited for its batch
    turn_seconds: list[float] = []  # seconds a step in each turn, where cells took turns (bench/turns.py)
    # of an attribution: part of a step to its seconds, a value a round (shared/parts.py)
    part_seconds: dict[str, list[float]] = {}
    time_to_first_step: float | None = None  # seconds, max over ranks; compilation and tracing included
    memory_rss_peak: int | None = None  # bytes, summed over the cell's processes (process footprint)
    memory_allocator_peak: int | None = None  # bytes, max over ranks of the device allocator's peak in the window
    # the same of the whole run, trials for the fastest kernel included; None: not reported, and the above is this one
    memory_allocator_peak_run: int | None = None
    harness_cpu_seconds: float | None = None  # the harness's own CPU time while the cell ran
    usage: Usage | None = None  # what the harness's monitors saw of processes and GPUs
    # split to the share of samples classified correctly; with several labels a sample: to those whose labels all are
    accuracy: dict[str, float] = {}
    accuracy_finetuned: dict[str, float] = {}  # after the second stage
    f1: dict[str, float] = {}  # split to micro-averaged F1, where a sample may have several labels
    loss_per_epoch: list[float] = []  # mean training loss of rank 0
    settings: dict[str, Any] = {}  # what the worker really used (rank 0)
    log: str  # path of the cell's log, relative to the run directory

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


def write_atomically(path: Path, text: str) -> None:
    """Write a file under a temporary name beside it, flush it to disk, rename it: it is whole or absent."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_temporaries(folder: Path) -> None:
    """Remove what `write_atomically` left in a folder when it was killed; only for who alone writes there."""
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)


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
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a record ({error.__class__.__name__}); delete it and run with --resume") from None
    if version not in schemas:
        raise UserError(f"{path}: record schema {version!r}, this version reads {', '.join(map(str, schemas))}")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def read_records(directories: Iterable[Path]) -> list[Record]:
    """All records of one or more run directories, by cell id.

    Raises:
        UserError: no such directory, or one without records.
    """
    records = []
    for directory in directories:
        paths = sorted((directory / "records").glob("*.json"))
        if not paths:
            raise UserError(f"{directory}: no records here; name a directory that `bench run` made")
        records += [read_record(path) for path in paths]
    return records
