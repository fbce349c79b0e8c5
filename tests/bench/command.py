"""What tests of the command line share: its answer, and how an error looks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.records.record import Record, read_records

Bench = Callable[..., tuple[int, str, str]]  # arguments to exit code, standard output and standard error


def by_cell(directory: Path) -> dict[str, Record]:
    return {record.cell_id: record for record in read_records([directory])}


def assert_error(answer: tuple[int, str, str], *parts: str) -> None:
    """Exit code 2 and one line on standard error that has every part."""
    code, _, err = answer
    assert code == 2, err
    line = err.strip().splitlines()[-1]
    assert line.startswith("bench: error: ")
    assert all(part in line for part in parts), line
