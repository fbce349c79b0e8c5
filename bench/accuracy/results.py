"""Results of `bench accuracy`: one JSON record a (framework, member or ensemble, split), written once.

Tables and figures are made from these records alone. Every field is documented here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bench.accuracy.protocol import Protocol
from bench.records import columns
from bench.records.bounds import CellName, Epochs, Moment, Place, Repeat, Replicas, Seconds, Seed, Share, Size
from bench.records.directory import PLAN
from bench.records.record import Status, read_all, read_as, write_as_record
from shared.frameworks import KEYS
from shared.outside import OutsideError, read_json

ACCURACY_SCHEMA = 1
KIND = "accuracy"  # in run.json: what tells this run from one of `bench run`
BOTH = "+".join(KEYS)  # the ensemble of all members of both frameworks
FRAMEWORK_NAMES = {**columns.FRAMEWORK_NAMES, BOTH: "both"}
ENSEMBLE = "ensemble"
EQUAL, SEARCHED = "equal", "searched"


class Part(BaseModel):
    """A member of an ensemble and its weight."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    framework: Literal[KEYS]  # type: ignore[valid-type]
    member: str
    weight: Share


class AccuracyRecord(BaseModel):
    """The outcome of one member or ensemble on one split, whatever it was."""

    # the accuracy of a class without test documents is NaN: JSON has no number for it
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")

    schema_version: int = ACCURACY_SCHEMA
    run_id: str
    result_id: CellName
    # what was asked for
    protocol: Protocol
    stage: Literal["pretrain", "split"]  # pretrain: stage 1, once per framework
    split: Repeat | None  # index of the split; None: stage 1
    seed: Seed  # of the training; the splits are dealt with the run's
    framework: Literal[(*KEYS, BOTH)]  # type: ignore[valid-type]
    member: Literal["image", "text", "layout", "ensemble"]
    rule: Literal["equal", "searched"] | None = None  # of an ensemble's weights
    workload: str | None  # None: an ensemble; so are preset, spec_hash, training and weights_origin
    preset: str | None
    spec_hash: str | None
    training: Literal["full", "classifier"] | None  # classifier: stage 2, everything else frozen
    epochs: Epochs | None
    weights_origin: str | None  # what the training started from
    overlap: Size | None = None  # documents left out of stage 1 because they are among those evaluated
    data_name: str
    data_digest: str
    classes: list[str]
    device: Literal["cuda", "cpu"]
    device_name: str
    replicas: Replicas
    # what came of it
    status: Status
    reason: str | None = None  # one line where the status is not "ok"
    log: Place | None = None  # relative to the run's directory; None: no cell was started
    certificate: Literal["verified", "unverified"]  # of an ensemble: verified where all its members are
    certificate_id: str | None = None
    accuracy: dict[str, Share] = {}  # split to the share of documents classified rightly
    per_class: dict[str, float] = {}  # class to that share of its test documents
    confusion: list[list[Size]] = []  # test documents of the row's class predicted as the column's
    parts: list[Part] = []  # of an ensemble
    search_step: Share | None = None  # of the grid of weights, searched on validation
    started: Moment | None = None  # UTC, ISO 8601
    wall_seconds: Seconds = 0.0  # of the cell
    settings: dict[str, Any] = {}  # what the worker really used (rank 0)

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What is the same over the splits: framework, member, rule."""
        return self.framework, self.member, self.rule

    @property
    def label(self) -> str:
        """The member in words."""
        return f"{self.member} ({self.rule} weights)" if self.rule else self.member


def write_record(directory: Path, record: AccuracyRecord) -> Path:
    """Write a record into a run's `records/` folder; the name is its id."""
    return write_as_record(directory, record.result_id, record)


def read_record(path: Path) -> AccuracyRecord:
    """Read one record.

    Raises:
        UserError: truncated or foreign JSON, or another schema version.
    """
    return read_as(AccuracyRecord, path, [ACCURACY_SCHEMA])


def read_records(directory: Path, on_bad: Callable[[str], None] | None = None) -> list[AccuracyRecord]:
    """All records of a run, by framework, member, rule and split.

    Args:
        on_bad: told the line about a record that cannot be read, which is passed over; None: such a record is an error.

    Raises:
        UserError: no such directory, one without records or with none that can be read, or a record that cannot be.
    """
    return in_order(read_all(directory, read_record, on_bad, "accuracy"))


def is_accuracy_run(directory: Path) -> bool:
    """Whether a directory holds a run of `bench accuracy`, as its run.json says."""
    try:
        content = read_json(directory / PLAN)
    except OutsideError:
        return False
    return isinstance(content, dict) and content.get("kind") == KIND


def in_order(records: Iterable[AccuracyRecord]) -> list[AccuracyRecord]:
    """Records by member (ensembles last), rule, framework (both last) and split; stage 1 first."""
    members, frameworks = ("image", "text", "layout", ENSEMBLE), (*KEYS, BOTH)

    def place(record: AccuracyRecord) -> tuple[str, int, str, int, int]:
        split = -1 if record.split is None else record.split
        rank = members.index(record.member), record.rule or "", frameworks.index(record.framework)
        return (record.stage, *rank, split)

    return sorted(records, key=place)


def over_splits(records: Iterable[AccuracyRecord]) -> dict[tuple[str, str, str | None], list[AccuracyRecord]]:
    """(framework, member, rule) to its records over the splits, in their order; stage 1 is left out."""
    groups: dict[tuple[str, str, str | None], list[AccuracyRecord]] = {}
    for record in in_order(records):
        if record.stage == "split":
            groups.setdefault(record.key, []).append(record)
    return groups


def accuracies_on_test(records: Iterable[AccuracyRecord]) -> dict[int, float]:
    """Split index to test accuracy, of those that ended well."""
    return {r.split: r.accuracy["test"] for r in records if r.status == "ok" and r.split is not None}
