"""Results on disk: one JSON record per cell, schema version 5, written once and never changed.

Tables and plots are made from records alone. Every field is documented here; README "Records" points to this file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from bench.host.files import write_atomically
from bench.records.bounds import (
    Batch,
    CellName,
    Cores,
    Cost,
    Epochs,
    Figure,
    Figures,
    Milliseconds,
    Moment,
    Phrase,
    Place,
    Repeat,
    Replicas,
    Seconds,
    Seed,
    Size,
    Speed,
    Steps,
    StepTime,
    Word,
    first_problem,
)
from bench.records.older import FOLDED, folded, of_their_runs
from bench.records.usage import Usage
from shared.errors import UserError
from shared.outside import OutsideError, read_json
from shared.tasks import NAMES, task

RECORD_SCHEMA = 5
READABLE_SCHEMAS = (*FOLDED, RECORD_SCHEMA)  # older ones are folded into this one as they are read
STAGES = ("train", "finetune")  # of a training, in their order
Kind = TypeVar("Kind", bound=BaseModel)
Status = Literal["ok", "oom", "timeout", "crash", "skipped", "diverged"]
Stage = Literal["train", "finetune"]
SplitScores = Mapping[str, Mapping[str, float]]  # split to metric to value
Metrics = Annotated[dict[Word, Figure], Field(max_length=32)]  # by name
Splits = Annotated[dict[Word, Metrics], Field(max_length=16)]  # by name


class Inference(Figures):
    """What came of the requests of one batch size (shared/inference.py). Calls are those of all ranks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: Batch  # samples of a request
    reason: str | None = None  # why it was not timed; then there is nothing below
    widths: list[Steps] = []  # of the requests, as the network reads them; [0]: all are equally wide
    calls: Steps = 0  # timed ones
    first_ms: Milliseconds | None = None  # of the first call of a shape, the longest: tracing and compilation
    p50_ms: Milliseconds | None = None  # from the batch on the host to its logits on the host
    p95_ms: Milliseconds | None = None
    p99_ms: Milliseconds | None = None
    prepare_ms: Milliseconds | None = None  # median, from texts or encoded pages to the batch; None: not timed
    whole_p50_ms: Milliseconds | None = None  # both, one after the other
    whole_p95_ms: Milliseconds | None = None
    whole_p99_ms: Milliseconds | None = None
    samples_per_second: Speed | None = None  # of calls back to back, over all replicas
    stationary: bool | None = None  # whether the calls' time stood still before they were timed
    rss_peak: Size | None = None  # bytes, summed over the cell's processes, up to and with this batch size
    allocator_peak: Size | None = None  # bytes, max over ranks, while this batch size was timed


class Record(BaseModel):
    """The outcome of one cell, whatever it was."""

    # a training that diverged has a loss of NaN: JSON has no number for it, a string is read back as one
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    schema_version: int = RECORD_SCHEMA  # of the record
    folded_from: int | None = None  # the older schema that it was written in; None: this one
    kind: Literal["plain", "attribution"]  # of the run that it is from
    run_id: str  # name of the run's directory
    cell_id: CellName  # of the cell within its run, and the name of the record's file
    # what was asked for
    workload: str  # name of the TOML file
    preset: str  # of the workload
    spec_hash: str  # of every setting; results compare only where it is equal
    computation_hash: str  # of the settings that decide the mathematics of a step; certificates are filed under it
    task: Word  # what was trained for (shared/tasks/); one that this version does not know is shown by its names
    headline: Word  # the score that tables and figures show
    network: Phrase  # its kind and size
    sample: Phrase  # what one sample is: "384 px", "at most 512 tokens"
    unit: Word  # the noun for it: "page", "text"
    cost: Cost  # of a step per sample, as compared with others of its unit: pixels squared, tokens
    framework: Literal["pt", "tf"]  # key of the framework (shared/frameworks.py)
    variant: str | None = None  # "pt@2.13": the version of it that was asked for; None: the one there is
    mode: Literal["train", "infer"] = "train"  # what was done with the network
    runtime: Literal["framework", "onnx"] = "framework"  # what answered requests
    arm: Literal["matched", "native"]  # the wings, or each library's own network
    replicas: Replicas  # GPUs, or groups of CPU cores
    device: Literal["cuda", "cpu"]  # kind of it
    device_name: str  # of the GPU, or of the processor
    cores_per_replica: Cores | None  # None on GPUs
    oversubscribed: bool  # more replicas than cores: no speedup is claimed
    precision: str  # fp32, bf16 or fp16
    input_mode: str  # disk, memory or device
    repeat: Repeat  # from 0
    seed: Seed  # of weights, order and draws; counts up with the repeat
    epochs: Epochs  # of the training; 0: the measured steps alone
    batch_per_replica: Batch  # samples
    data_name: str  # "synthetic" or the store's source
    data_digest: str  # identity of the store's content
    data_origin: str | None = None  # that of the store that it is a resized or tokenised copy of; None: of no other
    num_documents: Size | None = None  # of the data, all splits together; None: a record that did not count them
    exchange: bool = True  # whether replicas exchanged gradients; without, an attribution's cell and no training
    num_parameters: Size | None  # trained scalars, as the worker counted them
    # what came of it
    status: Status  # how the cell ended
    reason: str | None = None  # one line where the status is not "ok"
    certificate: Literal["verified", "unverified"]  # whether one holds for computation, code and versions
    certificate_id: str | None = None  # of that one
    started: Moment  # UTC, ISO 8601
    wall_seconds: Seconds  # of the whole cell, start of processes to their end
    throughput: Speed | None = None  # samples/s: global samples / max over ranks of the window's seconds
    tokens_per_second: Speed | None = None  # of texts: tokens in the same window, padding not counted
    retraces: Steps | None = None  # how often a step was compiled anew between the first step and the window's end
    measured_steps: Steps | None = None  # of the window
    window_seconds: list[StepTime] = []  # of each rank
    warmup_steps: Steps | None = None  # before the window: the least, and more until the step time stood still
    warmup_stationary: bool | None = None  # whether it did; None: too few steps to tell
    # seconds per step in the window's first third over those in its last, less 1 (above 0: it still got faster)
    window_drift: Figure | None = None
    window_drift_noise: Figure | None = None  # standard error of that; None: too few steps to tell
    step_seconds: list[StepTime] = []  # of rank 0, in the window
    wait_seconds: list[Seconds] = []  # of rank 0, for each of those steps: how long it waited for its batch
    turn_seconds: list[StepTime] = []  # seconds per step in each turn, where cells took turns (bench/cells/turns.py)
    # of an attribution: part of a step to its seconds, a value per round (shared/parts.py)
    part_seconds: dict[str, list[Seconds]] = {}
    inference: list[Inference] = []  # of each batch size, ascending; of mode "infer" alone
    time_to_first_step: Seconds | None = None  # seconds, max over ranks; compilation and tracing included
    memory_rss_peak: Size | None = None  # bytes, summed over the cell's processes (process footprint)
    memory_allocator_peak: Size | None = None  # bytes, max over ranks of the device allocator's peak in the window
    # the same of the whole run, trials for the fastest kernel included; None: not reported, and the above is this one
    memory_allocator_peak_run: Size | None = None
    harness_cpu_seconds: Seconds | None = None  # the harness's own CPU time while the cell ran
    usage: Usage | None = None  # what the harness's monitors saw of processes and GPUs
    scores: dict[Stage, Splits] = {}  # stage to split to metric to value, over all ranks
    loss_per_epoch: list[float] = []  # mean training loss of rank 0
    settings: dict[str, Any] = {}  # what the worker really used (rank 0)
    log: Place  # path of the cell's log, relative to the run directory

    @field_validator("scores")
    @classmethod
    def _within_bounds(cls, scores: dict[Stage, Splits], info: ValidationInfo) -> dict[Stage, Splits]:
        """What a metric of a known task can be, a share for example; one of an unknown task is any figure."""
        name = info.data.get("task")
        known = task(name).metrics if scores and name in NAMES else {}  # most cells score nothing: no task is imported
        for stage, splits in scores.items():
            for split, metrics in splits.items():
                for metric, value in metrics.items():
                    low, high = known[metric].bounds if metric in known else (-math.inf, math.inf)
                    if not low <= value <= high:
                        raise ValueError(f"{stage}.{split}.{metric}: {value} is not from {low:g} to {high:g}")
        return scores

    @model_validator(mode="after")
    def _without_figures_that_are_none(self) -> Self:
        """A training whose loss is not finite diverged, whatever the version that wrote it said, and has no figures."""
        changes: dict[str, Any] = {}
        epochs = [index for index, loss in enumerate(self.loss_per_epoch, 1) if not math.isfinite(loss)]
        if self.status == "ok" and epochs:
            changes = {"status": "diverged", "reason": f"loss is not finite in epoch {epochs[0]}"}
        if "diverged" in (self.status, changes.get("status")):
            changes |= {"throughput": None, "tokens_per_second": None, "scores": {}}
        for name, value in changes.items():
            object.__setattr__(self, name, value)  # it is frozen from here on
        return self

    @property
    def column(self) -> str:
        """The side of a comparison that the record belongs to: a framework, one of several versions of it, or what
        answers for it: "pt+onnx"."""
        return (self.variant or self.framework) + ("" if self.runtime == "framework" else f"+{self.runtime}")

    def scores_after(self, stage: Stage | None = None) -> SplitScores:
        """Split to metric to value, after a stage (None: the last one that has any)."""
        return last_scores(self.scores) if stage is None else self.scores.get(stage, {})

    def score(self, split: str, stage: Stage | None = None) -> float | None:
        """The headline on a split after a stage (None: the last one that has scores); None where it has none."""
        return self.scores_after(stage).get(split, {}).get(self.headline)


def last_scores(scores: Mapping[Any, SplitScores]) -> SplitScores:
    """The scores after the last stage that has any.

    Args:
        scores: stage to split to metric to value.
    """
    return next((found for stage in reversed(STAGES) if (found := scores.get(stage))), {})


def write_record(directory: Path, record: Record) -> Path:
    """Write a record into a run's `records/` folder; the name is the cell's id."""
    return write_as_record(directory, record.cell_id, record)


def read_record(path: Path) -> Record:
    """Read one record; what only its whole run tells of an older one is not known (`bench.records.older`).

    Raises:
        UserError: truncated or foreign JSON, or another schema version.
    """
    return read_as(Record, path, READABLE_SCHEMAS, folded)


def write_as_record(directory: Path, name: str, content: BaseModel) -> Path:
    """Write any kind of record into a run's `records/` folder."""
    path = directory / "records" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.model_dump_json(indent=1) + "\n")
    return path


def read_as(
    kind: type[Kind], path: Path, schemas: Collection[int], fold: Callable[[Mapping[str, Any]], dict[str, Any]] = dict
) -> Kind:
    """Read a record of a kind, written in one of some schema versions.

    Args:
        fold: makes the present schema's content of any of them.

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
        return kind.model_validate(fold(content))
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from None


def read_records(directories: Iterable[Path], on_bad: Callable[[str], None] | None = None) -> list[Record]:
    """All records of one or more run directories, by cell id.

    Args:
        on_bad: told the line about a record that cannot be read, which is passed over; None: such a record is an error.

    Raises:
        UserError: no such directory, one without records or with none that can be read, or a record that cannot be.
    """
    found = [of_their_runs(read_all(directory, read_record, on_bad)) for directory in directories]
    return [record for records in found for record in records]


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
