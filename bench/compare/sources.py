"""What `bench compare` is given: a run, a folder of records or one record, and which of its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.accuracy.results import is_accuracy_run
from bench.records.columns import column_order
from bench.records.directory import ENVIRONMENT
from bench.records.older import of_their_runs
from bench.records.record import Record, read_record
from shared.errors import UserError
from shared.outside import OutsideError, read_json

COLUMN = re.compile(r"(pt|tf)(@[\w.-]+([+][\w.-]+)?)?([+]onnx)?")
RECORDS = "records"  # a run's folder of them
ACCURACY_FIELD = "result_id"  # that records of `bench accuracy` have and those of `bench run` have not


class ForeignRecordError(UserError):
    """A record of another command."""


@dataclass(frozen=True)
class Source:
    """One side of a comparison."""

    name: str  # as it was typed
    path: Path  # resolved
    folder: Path  # where its records lie: those of one folder and run were measured together
    column: str | None  # that was asked for; None: all there are
    records: tuple[Record, ...]
    environment: dict[str, Any] | None  # of the run; None: it is not beside the records
    bad: tuple[str, ...] = ()  # a line about each record that cannot be read, and is passed over

    @property
    def columns(self) -> list[str]:
        """The columns it has records of, in order."""
        return list(dict.fromkeys(record.column for record in sorted(self.records, key=column_order)))

    @property
    def fingerprint(self) -> str | None:
        """Of the machine's hardware."""
        return None if self.environment is None else str(self.environment.get("fingerprint"))


def read_source(argument: str) -> Source:
    """Read `PATH` or `PATH:COLUMN`.

    Raises:
        UserError: nothing there, no records, something else than records of `bench run`, or no such column.
    """
    path, column = split_column(argument)
    if path.is_dir() and is_accuracy_run(path):
        raise UserError(f"{path}: a run of `bench accuracy`; compare takes those of `bench run`")
    paths = record_paths(path)
    found, bad = [], []
    for file in paths:
        try:
            found.append(read_one(file))
        except ForeignRecordError:
            raise  # of another command: something else was meant
        except UserError as error:
            bad.append(str(error))
    if not found:
        raise UserError(bad[0])
    records = [record for record in of_their_runs(found) if record.exchange]
    if not records:
        raise UserError(f"{path}: only cells without gradient exchange (--attribute); these are never compared")
    seen: set[tuple[str, str]] = set()
    for record in records:
        if (record.run_id, record.cell_id) in seen:
            raise UserError(f"{path}: holds {record.cell_id} of run {record.run_id} twice; leave one of the copies")
        seen.add((record.run_id, record.cell_id))
    folder = paths[0].resolve().parent
    source = Source(argument, path.resolve(), folder, column, tuple(records), read_environment(path), tuple(bad))
    if column is None:
        return source
    if column not in source.columns:
        raise UserError(f"{path}: no column {column}; it has {', '.join(source.columns)}")
    return replace(source, records=tuple(record for record in records if record.column == column))


def check_distinct(sources: Sequence[Source]) -> None:
    """Whether there is something to compare.

    Raises:
        UserError: the same records twice.
    """
    for index, source in enumerate(sources):
        if any((other.path, other.column) == (source.path, source.column) for other in sources[:index]):
            raise UserError(
                f"{source.name}: named twice; to compare two columns of one run write "
                f"{source.path.name}:pt {source.path.name}:tf"
            )


def split_column(argument: str) -> tuple[Path, str | None]:
    """A path, and the column behind its last colon.

    Raises:
        UserError: no such path, or no column's name.
    """
    if Path(argument).exists():
        return Path(argument), None
    head, _, column = argument.rpartition(":")
    if not head or not Path(head).exists():
        raise UserError(f"{argument}: no such file or directory; name a run, a record, or RUN:COLUMN")
    if not COLUMN.fullmatch(column):
        raise UserError(f"{argument}: {column!r} is no column; write pt, tf, or one of several versions, pt@2.13")
    return Path(head), column


def record_paths(path: Path) -> list[Path]:
    """The files of records that a path stands for.

    Raises:
        UserError: a directory without any.
    """
    if path.is_file():
        return [path]
    folder = path / RECORDS if (path / RECORDS).is_dir() else path
    paths = sorted(found for found in folder.glob("*.json") if not found.name.startswith("."))
    if not paths:
        raise UserError(f"{path}: no records here; name a directory that `bench run` made")
    return paths


def read_one(path: Path) -> Record:
    """Read a record of `bench run`.

    Raises:
        UserError: no record, of an unknown schema, or of `bench accuracy`.
    """
    try:
        content = read_json(path)
    except OutsideError:
        content = None  # read_record says what is wrong with it
    if isinstance(content, dict) and ACCURACY_FIELD in content:
        raise ForeignRecordError(f"{path}: a record of `bench accuracy`; compare takes those of `bench run`")
    return read_record(path)


def read_environment(path: Path) -> dict[str, Any] | None:
    """The environment of the run that a path is or lies in; None where it has none.

    Raises:
        UserError: damaged.
    """
    folders = [path, path.parent] if path.is_dir() else [path.parent, path.parent.parent]
    file = next((folder / ENVIRONMENT for folder in folders if (folder / ENVIRONMENT).is_file()), None)
    if file is None:
        return None
    try:
        content = read_json(file)
    except OutsideError as error:
        raise UserError(f"{file}: damaged ({error.reason}); delete it to compare without") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: damaged (not a mapping); delete it to compare without")
    return content
