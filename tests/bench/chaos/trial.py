"""One `bench run` to which something happens, and what is asked of it afterwards."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.host.files import TEMPORARY
from bench.host.processes import TOKEN
from bench.records.record import Record, read_record
from bench.run.progress import name_of
from shared.errors import UserError

CHAOS = "TWINBENCH_CHAOS"  # of every process of a trial, the guardian included
END_SECONDS = 180.0  # for the harness to end after what happened to it
GONE_SECONDS = 60.0  # for everything else to be gone after the harness
NAP_SECONDS = 0.05
REPORTED = re.compile(r"^\[\d+/\d+\] (.+?): ok\b", re.MULTILINE)  # cells by name


@dataclass(frozen=True)
class Bench:
    """How the command is called, and what of."""

    command: tuple[str, ...]  # before the sub-command
    options: tuple[str, ...]  # of `run`, less --out
    environment: dict[str, str] = field(hash=False)
    num_cells: int
    hang_seconds: float  # --timeout where a rank hangs


@dataclass(frozen=True)
class Finding:
    """What came of a trial."""

    kept: int = 0  # finished cells that were there afterwards, and that the resumed run did not run again
    lost: tuple[str, ...] = ()
    half_written: tuple[str, ...] = ()
    left: tuple[int, ...] = ()  # ids of processes
    gone_seconds: float = 0.0  # from the end of the harness to that of the last process
    wrong: tuple[str, ...] = ()  # whatever else did not hold

    @property
    def sound(self) -> bool:
        """Whether everything held."""
        return not (self.lost or self.half_written or self.left or self.wrong)


class Trial:
    """A run in a folder of its own."""

    def __init__(self, bench: Bench, folder: Path, out: Path, options: Sequence[str] = ()) -> None:
        self.bench, self.folder, self.out = bench, folder, out
        self.start_arguments = ["run", *bench.options, *options, "--out", str(out)]
        self.mark = f"{CHAOS}-{os.urandom(8).hex()}"
        self.process = self.start(self.start_arguments, "first")

    def start(self, arguments: Sequence[str], name: str) -> subprocess.Popen[bytes]:
        """`bench` as a terminal starts it: a process group of its own."""
        with (self.folder / f"{name}.out").open("wb") as out, (self.folder / f"{name}.err").open("wb") as err:
            return subprocess.Popen(
                [*self.bench.command, *arguments],
                env=self.bench.environment | {CHAOS: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def is_over(self) -> bool:
        """Whether the harness has said its last word: what happens to it then happens to a Python that shuts down."""
        return self.process.poll() is not None or b"\nrecords: " in (self.folder / "first.out").read_bytes()

    def said(self, name: str = "first") -> str:
        """Standard error so far."""
        return (self.folder / f"{name}.err").read_text(encoding="utf-8", errors="replace")

    def living(self) -> list[psutil.Process]:
        """Every process of the trial."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(CHAOS) == self.mark and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def members(self) -> list[psutil.Process]:
        """Those of the running cell, its first process first."""
        found = []
        for process in self.living():
            with suppress(psutil.Error, OSError):
                if TOKEN in process.environ():
                    found.append((process.ppid() != self.process.pid, process.pid, process))
        return [process for *_, process in sorted(found, key=lambda item: item[:2])]

    def ranks(self) -> list[psutil.Process]:
        """The processes that train in the running cell: the children of its first where it has some, else that."""
        members = self.members()
        children = []
        for process in members[1:]:
            with suppress(psutil.Error):
                if process.ppid() == members[0].pid:
                    children.append(process)
        return children or members

    def wait_for(self, found: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
        """Wait until there are some of a kind; empty where the harness has ended before."""
        while self.process.poll() is None:
            if processes := found():
                return processes
            time.sleep(NAP_SECONDS)
        return []

    def wait_until_gone(self) -> tuple[float, list[psutil.Process]]:
        """Wait for the last process after the harness's end: the seconds that took, and those that did not end."""
        begin = time.monotonic()
        while (left := self.living()) and time.monotonic() - begin < GONE_SECONDS:
            time.sleep(NAP_SECONDS)
        return time.monotonic() - begin, left

    def records(self) -> tuple[dict[str, bytes], list[str]]:
        """The bytes of all records that say `ok`, by cell; and the files that are no whole records."""
        whole, half = {}, []
        for path in sorted((self.out / "records").glob("*.json")):
            try:
                record = read_record(path)
            except UserError:
                half.append(path.name)
                continue
            if record.status == "ok":
                whole[record.cell_id] = path.read_bytes()
        return whole, half

    def lock_is_free(self) -> bool:
        """Whether another run could take the directory."""
        with suppress(FileNotFoundError), (self.out / ".lock").open("r+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def judge(self, repair: Callable[[], None]) -> Finding:
        """Wait for the end, look at what is there, put right what was done to the machine, finish the run.

        Args:
            repair: called before the run is resumed.
        """
        wrong = []
        try:
            self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            wrong.append(f"the harness did not end within {END_SECONDS:.0f} s")
            self.process.kill()
            self.process.wait()
        if not self.lock_is_free():
            wrong.append("the lock was held after the harness's end")
        gone_seconds, left = self.wait_until_gone()
        kept, half = self.records()
        lost = set(REPORTED.findall(self.said())) - {
            name_of(Record.model_validate_json(each)) for each in kept.values()
        }
        if "Traceback" in self.said() and (self.out / "run.json").exists():
            wrong.append("a traceback")
        repair()
        after, wrong_after = self.resume()
        lost |= {cell_id for cell_id, content in kept.items() if after.get(cell_id) != content}
        return Finding(
            kept=len(kept),
            lost=tuple(sorted(lost)),
            half_written=tuple(half),
            left=tuple(process.pid for process in left),
            gone_seconds=gone_seconds,
            wrong=(*wrong, *wrong_after),
        )

    def resume(self) -> tuple[dict[str, bytes], list[str]]:
        """Finish the run; its good records, and what did not hold."""
        planned = (self.out / "run.json").exists()
        again = ["run", "--resume", str(self.out), "--timeout", str(END_SECONDS)] if planned else self.start_arguments
        process = self.start(again, "resumed")
        wrong = []
        try:
            status = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        after, half = self.records()
        if status or half or len(after) != self.bench.num_cells:
            said = self.said("resumed").strip().splitlines()
            wrong.append(f"resumed: exit status {status}, {len(after)} cells ok: {said[-1] if said else ''}")
        if left := self.wait_until_gone()[1]:
            wrong.append(f"processes left by the resumed run: {left}")
        if temporaries := [path.name for path in self.out.rglob(f".*{TEMPORARY}")]:
            wrong.append(f"temporary files left: {temporaries}")
        return after, wrong

    def clear_up(self) -> None:
        """End what is left of the trial, by its ids."""
        for process in self.living():
            with suppress(psutil.Error):
                process.kill()
        self.process.wait()
