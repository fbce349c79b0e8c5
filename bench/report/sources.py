"""What a report reads of a run: its records, the environment, the logs, the certificates that its records name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.accuracy.results import AccuracyRecord, is_accuracy_run
from bench.accuracy.results import read_records as read_accuracy_records
from bench.compare.sources import ACCURACY_FIELD, read_environment
from bench.host.locations import results_directory
from bench.records.certificates import Certificate, read_certificate
from bench.records.record import Record, read_records, record_files
from shared.errors import UserError
from shared.outside import OutsideError, inside, open_file, read_json

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
    bad: tuple[str, ...] = ()  # a line about each record that cannot be read


def read_run(directory: Path) -> Run:
    """Read a run.

    Raises:
        UserError: no directory, no run, no record that can be read, or an environment that cannot be.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: no such directory; name one that `bench run` or `bench accuracy` made")
    name, bad = directory.resolve().name, list[str]()
    if is_accuracy_run(directory) or has_accuracy_records(directory):
        found = tuple(read_accuracy_records(directory, bad.append))
        return Run(name, directory, read_environment(directory), accuracy_records=found, bad=tuple(bad))
    records = tuple(read_records([directory], bad.append))
    return Run(name, directory, read_environment(directory), records=records, bad=tuple(bad))


def has_accuracy_records(directory: Path) -> bool:
    """Whether a directory without a run.json, as runs are kept for reference, holds records of `bench accuracy`."""
    for path in record_files(directory):
        try:
            content = read_json(path)
        except OutsideError:
            continue  # whoever reads it as a record says what is wrong with it
        if isinstance(content, dict):
            return ACCURACY_FIELD in content
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
        with open_file(inside(directory, log)) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except (OSError, OutsideError):
        return None
    if size > LOG_BYTES:
        text = f"[the last {LOG_BYTES // 1024} of {size // 1024} KiB]\n{text.partition(chr(10))[2] or text}"
    return CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def find_certificates(identities: Sequence[str]) -> dict[str, Certificate]:
    """The certificates with some ids, of those that are kept on this machine; others are not among them."""
    found = {}
    for path in sorted((results_directory() / "certificates").glob("*.json")):
        try:
            certificate = read_certificate(path)
        except OutsideError:
            continue  # `bench verify` makes it anew; a report is not the place to complain
        if certificate.id in identities:
            found[certificate.id] = certificate
    return found
