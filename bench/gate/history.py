"""A stored history of throughputs in place of a base: weaker, since it was measured at other times.

One JSON line an entry. What is judged is whether the head's median lies below what another entry of the same history
would show: the t prediction interval over the entries' medians, on the log scale, and the threshold below that. This
assumes that entries scatter normally and that nothing drifts; a machine that got slower since is a regression here.
`bench gate --base` assumes neither.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationError

from bench.gate.measure import Bench
from bench.gate.measurement import TRIES, Request, Say
from bench.gate.power import POWER
from bench.gate.result import BenchmarkResult, Frozen, GateResult
from bench.gate.revisions import Repository
from bench.gate.rule import ERROR, FEWEST_PAIRS
from bench.gate.run import device_name, prepared, side_result
from bench.gate.running import Benchmark, Measured, MeasurementError
from bench.gate.sides import Side
from bench.host import machine
from bench.host.files import write_atomically
from bench.records.bounds import first_problem
from bench.terminal.printable import passed_over
from shared.errors import UserError
from shared.outside import OutsideError, parse_json, read_text

PROCESSES = 7  # of the head, fresh ones
FEWEST_ENTRIES = FEWEST_PAIRS
GUARANTEE = (
    "weaker than against a base: measured at other times, so that drift of the machine counts as the head's; a head no "
    f"slower than the threshold allows fails with a probability of at most {ERROR:.1%} a benchmark if the history's "
    "entries scatter normally and nothing drifts"
)


class Entry(Frozen):
    """One measurement of one benchmark."""

    schema_version: Literal[1] = 1
    benchmark: str
    revision: str
    time: str  # UTC, ISO 8601
    fingerprint: str  # of the machine
    device_name: str
    device: str  # "cpu" or "cuda"
    spec_hash: str
    data_digest: str
    versions: dict[str, str]
    # samples/s, one a fresh process
    throughputs: list[Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(min_length=1)

    @property
    def work(self) -> tuple[str, ...]:
        """What was measured: entries of other work are no measure of this one's."""
        return self.benchmark, self.device, self.spec_hash, self.data_digest

    @property
    def centre(self) -> float:
        """Logarithm of the median throughput."""
        return math.log(float(np.median(self.throughputs)))


def read_history(path: Path, must_exist: bool) -> list[Entry]:
    """The entries of a history, all of this machine; a line that is none is told and passed over.

    Raises:
        UserError: missing, no entry at all among its lines, or another machine's.
    """
    if not path.exists() and not must_exist:
        return []
    try:
        lines = read_text(path).splitlines()
    except OutsideError as error:
        raise UserError(f"--baseline {path}: {error.reason}; `--update` makes one") from None
    entries: dict[int, Entry] = {}
    bad = []
    for number, line in enumerate(lines, start=1):
        try:
            entries[number] = Entry.model_validate(parse_json(line))
        except ValueError as error:  # pydantic's too
            why = first_problem(error) if isinstance(error, ValidationError) else str(error)
            bad.append(f"--baseline {path}: line {number} is no entry of this version ({why}); take it out")
    if bad and not entries:
        raise UserError(bad[0])
    for told in bad:
        passed_over(told)
    ours = machine.fingerprint()
    for number, entry in entries.items():
        if entry.fingerprint != ours:
            raise UserError(
                f"--baseline {path}: line {number} was measured on another machine ({entry.device_name}, "
                f"{entry.fingerprint}; this one is {ours}); keep a history a machine"
            )
    return [*entries.values()]


def append(path: Path, entries: Sequence[Entry]) -> None:
    """Add entries: all of them or none.

    Raises:
        UserError: it cannot be written.
    """
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    before += "" if before.endswith("\n") or not before else "\n"  # edited by hand
    try:
        write_atomically(path, before + "".join(entry.model_dump_json() + "\n" for entry in entries))
    except OSError as error:
        raise UserError(f"--baseline {path}: cannot be written ({error.strerror})") from None


def comparable(history: Sequence[Entry], new: Entry) -> list[Entry]:
    """The entries that a measurement may be held against."""
    return [entry for entry in history if entry.work == new.work]


def check_enough(path: Path, history: Sequence[Entry], benchmarks: Sequence[Benchmark]) -> None:
    """Whether a history can judge at all; before anything is measured.

    Raises:
        UserError: too few entries; with the p that so few can give.
    """
    for benchmark in benchmarks:
        count = sum(entry.benchmark == benchmark.name for entry in history)
        if count < FEWEST_ENTRIES:
            raise UserError(
                f"--baseline {path}: {count} entries of {benchmark.name}, of which a new one is the lowest by chance "
                f"with p = {1 / (count + 1):.3g}; {FEWEST_ENTRIES} are needed: add some with --update"
            )


def judge_history(
    values: Sequence[float], history: Sequence[Entry], threshold: float
) -> tuple[bool, float, float, float, float]:
    """Whether the head is slower than the history and the threshold allow.

    Args:
        values: the head's throughputs, one per process.
        history: comparable entries, FEWEST_ENTRIES or more.

    Returns:
        slower or not; the ratio to the history's centre; the ratios between which an unchanged revision's lies; the
        slow-down, a share of the throughput, that is shown with a probability of POWER.
    """
    from scipy.stats import t

    centres = np.array([entry.centre for entry in history])
    count, centre = len(centres), float(centres.mean())
    assert count >= FEWEST_ENTRIES, count
    spread = float(centres.std(ddof=1)) * math.sqrt(1 + 1 / count)
    reach = float(t.ppf(1 - ERROR, count - 1)) * spread
    smallest = 1 - math.exp(math.log1p(-threshold) - reach - float(t.ppf(POWER, count - 1)) * spread)
    distance = math.log(float(np.median(values))) - centre
    return distance < -reach + math.log1p(-threshold), math.exp(distance), math.exp(-reach), math.exp(reach), smallest


def gate_history(request: Request, path: Path, update: bool, say: Say) -> GateResult:
    """Measure the head alone and hold it against a history; add it there where asked to.

    Raises:
        UserError: whatever the user got wrong, a history of another machine or too short, a head that does not start.
    """
    history = read_history(path, must_exist=not update)
    if not update:
        check_enough(path, history, request.benchmarks)
    repository = Repository(Path.cwd())
    revision = repository.resolve(request.head, "--head", request.allow_dirty)
    started, begin = datetime.now(UTC), time.monotonic()
    results, new, versions = [], list[Entry](), dict[str, str]()
    with prepared(repository, [revision], request, say) as (bench, (head,)):
        for benchmark in request.benchmarks:
            measurement_began = time.monotonic()
            try:
                found = _processes(bench, head, benchmark, say)
            except MeasurementError as error:
                results.append(BenchmarkResult(name=benchmark.name, outcome="error", reason=str(error), apart=True))
                continue
            versions |= found[0].versions
            entry = Entry(
                benchmark=benchmark.name, revision=revision.commit + ("-dirty" if revision.dirty else ""),
                time=datetime.now(UTC).isoformat(timespec="seconds"), fingerprint=machine.fingerprint(),
                device_name=device_name(), device=found[0].device, spec_hash=found[0].spec_hash,
                data_digest=found[0].data_digest, versions=found[0].versions,
                throughputs=[one.throughput for one in found],
            )  # fmt: skip
            seconds = time.monotonic() - measurement_began
            results.append(_result(entry, history, request.threshold, update, seconds, benchmark.batch))
            if results[-1].outcome != "regression":  # or the history would learn it
                new.append(entry)
        side = side_result(head, versions)
    unwritten = []
    if update:
        try:
            append(path, new)
            say(f"{path}: {len(new)} entries added, {len(history) + len(new)} in all")
        except UserError as error:  # what was measured is told all the same
            unwritten.append(str(error))
    return GateResult(
        base=None, head=side, baseline=path.name, threshold=request.threshold, guarantee=GUARANTEE,
        machine=machine.fingerprint(), device_name=device_name(), started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - begin, benchmarks=results, unwritten=unwritten,
    )  # fmt: skip


def _processes(bench: Bench, head: Side, benchmark: Benchmark, say: Say) -> list[Measured]:
    found: list[Measured] = []
    failures = 0
    while len(found) < PROCESSES:
        try:
            found.append(bench.alone(head, benchmark))
        except MeasurementError as error:
            failures += 1
            if failures == TRIES:
                raise
            say(f"{benchmark.name}: {error}; once more")
            continue
        say(f"{benchmark.name}: process {len(found)} of {PROCESSES}: {found[-1].throughput:.2f} samples/s")
    return found


def _result(
    entry: Entry, history: Sequence[Entry], threshold: float, update: bool, seconds: float, batch: int | None
) -> BenchmarkResult:
    known = comparable(history, entry)
    head = float(np.median(entry.throughputs))
    common = {"name": entry.benchmark, "apart": True, "head_throughput": head, "batch": batch,
              "head_values": entry.throughputs, "seconds": seconds}  # fmt: skip
    if len(known) < FEWEST_ENTRIES:
        chance = f"the lowest of {len(known) + 1} is so by chance with p = {1 / (len(known) + 1):.3g}"
        reason = (
            f"not judged: {len(known)} comparable entries (same spec, data and device), {FEWEST_ENTRIES} are needed; "
            f"{chance}"
        )
        # a history that is being made need not judge; else a head that trains something else would switch the gate off
        return BenchmarkResult(outcome="undecided" if update else "error", reason=reason, **common)
    is_slower, ratio, low, high, smallest = judge_history(entry.throughputs, known, threshold)
    other = sorted({name for one in known for name, value in one.versions.items() if entry.versions.get(name) != value})
    told = f"entries of other versions among them: {', '.join(other)}" if other else None
    return BenchmarkResult(
        outcome="regression" if is_slower else "pass", ratio=ratio, low=low, high=high, level=1 - ERROR,
        base_throughput=math.exp(float(np.mean([one.centre for one in known]))), smallest=smallest,
        reason=told, **common,
    )  # fmt: skip
