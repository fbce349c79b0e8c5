"""What a report reads of a run: its records, the environment, the logs, the certificates that its records name."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench.accuracy.results import AccuracyRecord, is_accuracy_run
from bench.accuracy.results import read_records as read_accuracy_records
from bench.certificates import Certificate
from bench.compare.sources import ACCURACY_FIELD, RECORDS, read_environment
from bench.locations import results_directory
from bench.records import Record, read_records
from shared.errors import UserError

LOG_BYTES = 16 * 1024  # of a log's end: a page with a hundred cells must still open
# what programs write for a terminal: colours, bells; a page has no use for it
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True)
class Run:
    """A run of `bench run` or of `bench accuracy`; one of the two lists is empty."""

    name: str
    directory: Path
    environment: dict[str, Any] | None
    records: tuple[Record, ...] = ()
    accuracy_records: tuple[AccuracyRecord, ...] = ()


def read_run(directory: Path) -> Run:
    """Read a run.

    Raises:
        UserError: no directory, no run, no records, or a record or an environment that cannot be read.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: no such directory; name one that `bench run` or `bench accuracy` made")
    name = directory.resolve().name
    if is_accuracy_run(directory) or has_accuracy_records(directory):
        found = tuple(read_accuracy_records(directory))
        return Run(name, directory, read_environment(directory), accuracy_records=found)
    return Run(name, directory, read_environment(directory), records=tuple(read_records([directory])))


def has_accuracy_records(directory: Path) -> bool:
    """Whether a directory without a run.json, as runs are kept for reference, holds records of `bench accuracy`."""
    for path in sorted((directory / RECORDS).glob("*.json"))[:1]:
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return False  # whoever reads it as a record says what is wrong with it
        return isinstance(content, dict) and ACCURACY_FIELD in content
    return False


def read_runs(directories: Sequence[Path]) -> list[Run]:
    """Read several runs.

    Raises:
        UserError: one cannot be read, or is named twice.
    """
    for index, directory in enumerate(directories):
        if directory.resolve() in [other.resolve() for other in directories[:index]]:
            raise UserError(f"{directory}: named twice; a report shows a run once")
    return [read_run(directory) for directory in directories]


def log_end(directory: Path, log: str) -> str | None:
    """The end of a cell's log, without what only a terminal understands; None: it is not there or cannot be read.

    A record could name any file of this machine, and the page is made to be passed on: only files in the run's own
    directory are shown.

    Args:
        directory: of the run.
        log: as the record names it, relative to the directory.
    """
    try:
        path = (directory / log).resolve()
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            return None
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except (OSError, ValueError, RuntimeError):  # may not be read; no path (a NUL byte); a ring of links
        return None
    if size > LOG_BYTES:
        text = f"[the last {LOG_BYTES // 1024} of {size // 1024} KiB]\n{text.partition(chr(10))[2] or text}"
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def find_certificates(identities: Sequence[str]) -> dict[str, Certificate]:
    """The certificates with some ids, of those that are kept on this machine; others are not among them."""
    found = {}
    for path in sorted((results_directory() / "certificates").glob("*.json")):
        try:
            certificate = Certificate.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue  # `bench verify` makes it anew; a report is not the place to complain
        if certificate.id in identities:
            found[certificate.id] = certificate
    return found
