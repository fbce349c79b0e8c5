"""The directory of a run: who works in it, what was asked for, what is finished.

`run.json` (request and plan, written first), `environment.json`, `records/`, `cells/`, `figures/`, `summary.md`,
`records.csv`, and a lock that the kernel releases when its holder ends, however it ends.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.host.files import TEMPORARY, remove_temporaries, write_atomically
from bench.records.older import of_their_runs
from bench.records.record import Record, read_record, record_files
from shared.errors import UserError
from shared.outside import OutsideError, inside, read_json

RUN_SCHEMA = 2  # 1 had other names for the store and the replicas
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
PLAN, ENVIRONMENT, LOCK = "run.json", "environment.json", ".lock"
RECORDS = "records"


class RunDirectory:
    """A run's directory, held by this process from entering the context to leaving it."""

    def __init__(self, path: Path, resume: bool) -> None:
        """
        Args:
            path: the directory; made where it does not exist.
            resume: whether it must hold a run already; otherwise it must be empty, but for what a run leaves that
                was killed before its plan was written.
        """
        self.path = path.absolute()
        self.resume = resume
        self._lock = -1
        self._made: list[Path] = []

    def __enter__(self) -> RunDirectory:
        """Take the directory.

        Raises:
            UserError: it cannot be written, another run is at work in it, it is not empty, or holds no run to resume.
        """
        if self.resume and not (self.path / PLAN).is_file():
            raise UserError(f"{self.path}: no run to resume here ({PLAN} is missing); name a directory of `bench run`")
        if self.resume:
            self._refuse_links()
        if not self.resume:
            self._refuse_others()  # before the lock is made: a folder that is refused stays as it was
        try:
            self._make()
            self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror}); name another with --out") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not self.resume:
                self._refuse_others()  # of a run that began meanwhile
        except BlockingIOError:
            os.close(self._lock)
            raise UserError(f"{self.path}: another `bench run` is at work in it; wait for it or name another") from None
        except UserError:
            os.close(self._lock)
            raise
        for folder in (self.path, self.path / RECORDS):
            remove_temporaries(folder)  # of a run that was killed while it wrote
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Release the directory; one that we made and that came to nothing is removed.

        Raises:
            UserError: the disk is full; finished records are kept.
        """
        planned = (self.path / PLAN).exists()
        if not planned:
            with suppress(OSError):
                for name in (ENVIRONMENT, LOCK):
                    (self.path / name).unlink(missing_ok=True)
                for made in self._made:
                    made.rmdir()
        os.close(self._lock)
        if isinstance(value, OSError) and value.errno in NO_SPACE:
            if not planned:
                raise UserError(
                    f"{self.path}: {value.strerror}; nothing was started: make room and try again"
                ) from None
            raise UserError(
                f"{self.path}: {value.strerror}; {len(self.records())} records are kept: "
                f"make room and use `bench run --resume {self.path}`"
            ) from None

    def _refuse_others(self) -> None:
        """Refuse a folder that holds anything but a killed run's remnants."""
        try:
            names = [path.name for path in self.path.iterdir()] if self.path.is_dir() else []
        except OSError as error:
            raise UserError(f"{self.path}: cannot be read ({error.strerror}); name another with --out") from None
        if others := sorted(name for name in names if not is_remnant(name)):
            raise UserError(f"{self.path}: not empty ({others[0]}); name another with --out, or continue with --resume")

    def _refuse_links(self) -> None:
        """Refuse a run with a link that leads out of it: what is emptied or written there would be somebody else's."""
        for folder, *names in os.walk(self.path):
            for entry in (Path(folder, name) for group in names for name in group):
                if entry.is_symlink():
                    inside(self.path, entry.relative_to(self.path).as_posix())

    def _make(self) -> None:
        """Make the directory and remember which of its parents were not there, innermost first."""
        missing = self.path
        while not missing.exists():
            self._made.append(missing)
            missing = missing.parent
        self.path.mkdir(parents=True, exist_ok=True)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write one of the run's own files."""
        write_atomically(self.path / name, json.dumps(content, indent=1) + "\n")

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the run's own files.

        Raises:
            UserError: missing, damaged, or of another version.
        """
        try:
            content = read_json(inside(self.path, name))
            schema = content["schema"]
        except OutsideError as error:
            raise UserError(f"{self.path / name}: missing or damaged ({error.reason}); start a new run") from None
        except (KeyError, TypeError):
            raise UserError(f"{self.path / name}: no mapping with a schema; start a new run") from None
        if schema != RUN_SCHEMA:
            raise UserError(f"{self.path / name}: schema {schema!r}, this version reads {RUN_SCHEMA}; start a new run")
        return dict(content)

    def records(self) -> list[Record]:
        """Records so far, by cell id; one that cannot be read is passed over: its cell runs again."""
        found = []
        for path in record_files(self.path):
            with suppress(UserError):
                found.append(read_record(path))
        return of_their_runs(found)


def is_remnant(name: str) -> bool:
    """Whether a file of a run's directory tells nothing without its plan: what a run writes before that."""
    return name in (LOCK, ENVIRONMENT) or (name.startswith(".") and name.endswith(TEMPORARY))
