"""What is measured, and one `bench run` that measures it: driven by its command line, its record read leniently."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.gate.sides import Side
from bench.processes import TOKEN, log_tail

POLL_SECONDS = 0.1


class MeasurementError(Exception):
    """A side did not deliver; one line, with its log."""


@dataclass(frozen=True)
class Benchmark:
    """What is measured on either side."""

    framework: str
    workload: str
    replicas: int
    input_mode: str
    preset: str | None = None
    steps: int | None = None
    data: str | None = None
    device: str = "auto"
    precision: str = "fp32"
    arm: str = "matched"

    @property
    def name(self) -> str:
        """For tables and trackers: stable over revisions."""
        parts = [Path(self.workload).stem, self.framework, f"r{self.replicas}", self.input_mode]
        odd = [self.precision, self.arm, self.preset]
        usual = ["fp32", "matched", None]
        return "-".join(parts + [str(value) for value, other in zip(odd, usual, strict=True) if value != other])

    def options(self) -> list[str]:
        """Of `bench run`; stable since its first version."""
        said = [
            ("framework", self.framework), ("workload", self.workload), ("gpus", self.replicas), ("epochs", 0),
            ("input", self.input_mode), ("repeats", 1), ("device", self.device), ("precision", self.precision),
            ("arm", self.arm), ("preset", self.preset), ("steps", self.steps), ("data", self.data),
        ]  # fmt: skip
        return [word for name, value in said if value is not None for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Measured:
    """What the record of one side says."""

    throughput: float  # samples/s
    turn_seconds: tuple[float, ...]  # seconds a step in each turn; empty: it took none
    spec_hash: str
    data_digest: str  # "": not recorded
    device: str  # "cpu" or "cuda"; "": an older record
    versions: dict[str, str]


class Running:
    """A `bench run` of one side."""

    def __init__(self, side: Side, benchmark: Benchmark, out: Path, variables: dict[str, str]) -> None:
        """
        Args:
            out: a new folder, absolute.
            variables: set on top of the side's own.
        """
        self.side, self.out = side, out
        self.log = out.with_suffix(".log")
        command = [side.python, "-m", "bench", "run", *benchmark.options(), "--out", str(out)]
        if "--no-figures" in side.options:
            command += ["--no-figures"]
        worker = side.workers.get(benchmark.framework)
        if worker is not None:
            command += [f"--{benchmark.framework}-python", worker]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                command, cwd=side.tree, env=side.environment() | variables, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def workers(self) -> list[psutil.Process]:
        """The processes of its cell: never its harness, and not that harness's guardian."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.environ().get(TOKEN, "").startswith(f"{self.out}/"):
                    found.append(process)
        return found

    def wait_until_planned(self) -> bool:
        """Until it has made the store that it needs (two that make one at once are in each other's way): whether so."""
        while self.is_alive() and not (self.out / "run.json").exists():
            time.sleep(POLL_SECONDS)
        return (self.out / "run.json").exists()

    def result(self, failures: Path) -> Measured:
        """What came of it, once it has ended.

        Args:
            failures: a folder for the log of one that failed.

        Raises:
            MeasurementError: no throughput; names the log that is kept.
        """
        self.process.wait()
        record = self._record()
        if record.get("status") == "ok" and record.get("throughput"):
            settings = {str(name): str(value) for name, value in record.get("settings", {}).items()}
            return Measured(
                throughput=float(record["throughput"]),
                turn_seconds=tuple(map(float, record.get("turn_seconds", ()))),
                spec_hash=str(record.get("spec_hash", "")),
                data_digest=str(record.get("data_digest", "")),
                device=str(record.get("device", "")),
                versions={name: value for name, value in settings.items() if name.startswith("version")},
            )
        log = self.out / str(record.get("log", "")) if record.get("log") else self.log
        if not log.is_file():
            log = self.log
        last = (log_tail(self.log) or [f"exit status {self.process.returncode}"])[-1]
        why = f"{record['status']}: {record.get('reason') or 'no reason given'}" if record else last
        failures.mkdir(parents=True, exist_ok=True)
        kept = failures / f"{self.out.name}.log"
        shutil.copyfile(log, kept)
        raise MeasurementError(f"{self.side.name} ({self.side.label}) failed: {why} (log: {kept})")

    def _record(self) -> dict[str, Any]:
        for path in sorted((self.out / "records").glob("*.json")):
            with suppress(OSError, ValueError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(content, dict):
                    return content
        return {}
