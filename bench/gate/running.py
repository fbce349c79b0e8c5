"""What is measured, and one `bench run` that measures it: driven by its command line, its record read leniently."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pydantic import ValidationError

from bench.gate.sides import Side
from bench.host.guardian import Guarded
from bench.host.processes import TOKEN, log_tail
from bench.records.older import folded
from bench.records.record import Record
from bench.show.disturbances import disturbances
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS
from shared.outside import inside

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
    batch: int | None = None  # samples of a request, where what is measured is the latency of an inference

    @property
    def name(self) -> str:
        """For tables and trackers: stable over revisions."""
        parts = [Path(self.workload).stem, self.framework, f"r{self.replicas}", self.input_mode]
        parts += [] if self.batch is None else [f"infer-b{self.batch}"]
        odd = [self.precision, self.arm, self.preset]
        usual = ["fp32", "matched", None]
        return "-".join(parts + [str(value) for value, other in zip(odd, usual, strict=True) if value != other])

    def options(self) -> list[str]:
        """Of `bench run`; stable since its first version."""
        said = [
            ("framework", self.framework), ("workload", self.workload), ("gpus", self.replicas),
            ("epochs", 0 if self.batch is None else None), ("mode", None if self.batch is None else "infer"),
            ("batches", self.batch),
            ("input", self.input_mode), ("repeats", 1), ("device", self.device), ("precision", self.precision),
            ("arm", self.arm), ("preset", self.preset), ("steps", self.steps), ("data", self.data),
        ]  # fmt: skip
        return [word for name, value in said if value is not None for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Measured:
    """What the record of one side says."""

    throughput: float  # samples/s; of an inference those that calls of the median latency give
    turn_seconds: tuple[float, ...]  # seconds per step, or the median call's, in each turn; empty: it took none
    turn_steps: tuple[int, ...]  # steps of each of those turns
    spec_hash: str
    data_digest: str  # "": not recorded
    device: str  # "cpu" or "cuda"; "": an older record
    versions: dict[str, str]
    of_medians: bool = False  # whether a turn's seconds are a median's
    disturbances: tuple[str, ...] = ()  # what is known to spoil the figure, a sentence each


class Running:
    """A `bench run` of one side."""

    def __init__(
        self, side: Side, benchmark: Benchmark, out: Path, variables: dict[str, str], guarded: Guarded
    ) -> None:
        """
        Args:
            out: a new folder, absolute; its log lies beside it.
            variables: set on top of the side's own.
            guarded: ends it.
        """
        self.side, self.out = side, out
        self.log = out.with_suffix(".log")
        command = [side.python, "-m", "bench", "run", *benchmark.options(), "--out", str(out)]
        if "--no-figures" in side.options:
            command += ["--no-figures"]
        worker = side.workers.get(benchmark.framework)
        if worker is not None:
            command += [FRAMEWORKS[benchmark.framework].python_option, worker]
        self.process = guarded.start(command, self.log, side.tree, environment=side.environment() | variables)

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

    def result(self, failures: Path, asked: Sequence[int] = ()) -> Measured:
        """What came of it, once it has ended.

        Args:
            failures: a folder for the log of one that failed.
            asked: how many steps each of its measured turns was to have; empty: it took none.

        Raises:
            MeasurementError: no throughput; names the log that is kept.
        """
        self.process.wait()
        record = self._record()
        try:
            if record.get("status") == "ok" and (record.get("throughput") or record.get("inference")):
                return _measured(record, asked)
        except (TypeError, ValueError, AttributeError) as error:
            raise self._failure(f"its record cannot be read ({error})", self.log, failures) from None
        try:
            log = inside(self.out, record["log"])
        except (KeyError, UserError):  # none named, or one that is not its own
            log = self.log
        last = (log_tail(self.log) or [f"exit status {self.process.returncode}"])[-1]
        why = f"{record['status']}: {record.get('reason') or 'no reason given'}" if "status" in record else last
        raise self._failure(why, log if log.is_file() else self.log, failures)

    def _failure(self, why: str, log: Path, failures: Path) -> MeasurementError:
        """What went wrong, its log kept beyond the measurement."""
        failures.mkdir(parents=True, exist_ok=True)
        kept = failures / f"{self.out.name}.log"
        shutil.copyfile(log, kept)
        return MeasurementError(f"{self.side.name} ({self.side.label}) failed: {why} (log: {kept})")

    def _record(self) -> dict[str, Any]:
        for path in sorted((self.out / "records").glob("*.json")):
            with suppress(OSError, ValueError):
                content = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(content, dict):
                    return content
        return {}


def _measured(record: dict[str, Any], asked: Sequence[int]) -> Measured:
    """What the record of a side says that ended well.

    Raises:
        TypeError, ValueError, AttributeError: it says something else than a record does.
    """
    seconds = tuple(map(_positive, record.get("turn_seconds", ())))[: len(asked)]
    settings = {str(name): str(value) for name, value in record.get("settings", {}).items()}
    asked_about = record.get("inference") or [{}]
    latency = asked_about[0].get("p50_ms")
    if record.get("inference") and latency is None:
        raise ValueError(asked_about[0].get("reason") or "no latency")
    found = record["throughput"] if latency is None else 1e3 * asked_about[0]["batch"] / _positive(latency)
    return Measured(
        throughput=_positive(found),
        of_medians=latency is not None,
        turn_seconds=seconds,
        turn_steps=steps_of_turns(asked[: len(seconds)], record.get("measured_steps")),
        spec_hash=str(record.get("spec_hash", "")),
        data_digest=str(record.get("data_digest", "")),
        device=str(record.get("device", "")),
        versions={name: value for name, value in settings.items() if name.startswith("version")},
        disturbances=tuple(_disturbances(record)),
    )


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(f"{number} where a number above 0 is meant")
    return number


def steps_of_turns(asked: Sequence[int], measured: int | None) -> tuple[int, ...]:
    """The steps that each turn had: as many as it was to have, but for the last, at which the window ends.

    Args:
        asked: of each turn.
        measured: steps of the window; None: an older record, whose last turn is taken for whole.

    >>> steps_of_turns([3, 3, 3], 8), steps_of_turns([3, 3, 3], None)
    ((3, 3, 2), (3, 3, 3))
    """
    if not asked or measured is None:
        return tuple(asked)
    return (*asked[:-1], min(asked[-1], max(1, measured - sum(asked[:-1]))))


def _disturbances(record: dict[str, Any]) -> list[str]:
    """What a side's record knows to have disturbed it; of a record that another version wrote, nothing."""
    try:
        return disturbances(Record.model_validate(folded(record)))
    except ValidationError:
        return []
