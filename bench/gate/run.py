"""A gate from the revisions to the result: pairs are measured until the rule has decided each benchmark."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.gate import sides
from bench.gate.kept import Kept
from bench.gate.measure import Bench
from bench.gate.measurement import Clock, Measurement, Request, Say
from bench.gate.result import GATE_SCHEMA, GateResult, SideResult
from bench.gate.revisions import Repository, Revision, checkouts, gate_directory, workplace
from bench.gate.rule import guarantee, looks
from bench.gate.sides import Side
from bench.host import machine
from bench.host.processes import termination_as_interrupt

PAIRS = "pairs.jsonl"  # of the last gate, in the gate's folder


def gate(request: Request, say: Say) -> GateResult:
    """Measure base against head.

    Raises:
        UserError: whatever the user got wrong, a revision that cannot be measured, sides that cannot be compared.
    """
    looks(request.most_pairs)  # refused before anything is checked out
    repository = Repository(Path.cwd())
    assert request.base is not None
    revisions = [repository.resolve(request.base, "--base", request.allow_dirty),
                 repository.resolve(request.head, "--head", request.allow_dirty)]  # fmt: skip
    started, begin = datetime.now(UTC), time.monotonic()
    with prepared(repository, revisions, request, say) as (bench, both):
        clocks = Clock(request.time_limit, len(request.benchmarks))
        kept = Kept(gate_directory() / PAIRS, identity(request, revisions), request.resume, say)
        measurements = [
            Measurement(bench, both, benchmark, request, clocks, index, kept, say)
            for index, benchmark in enumerate(request.benchmarks)
        ]
        try:
            results = [each.run() for each in measurements]
        except KeyboardInterrupt:
            raise KeyboardInterrupt(kept.told([each.so_far() for each in measurements if each.pairs])) from None
    versions: dict[str, dict[str, str]] = {side.name: {} for side in both}
    for each in measurements:
        for name, found in each.versions.items():
            versions[name] |= found
    base, head = (side_result(side, versions[side.name]) for side in both)
    return GateResult(
        base=base,
        head=head,
        threshold=request.threshold,
        guarantee=guarantee(request.threshold, len(request.benchmarks)),
        machine=machine.fingerprint(),
        device_name=device_name(),
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - begin,
        benchmarks=results,
    )


def identity(request: Request, revisions: Sequence[Revision]) -> dict[str, Any]:
    """What tells a gate from another one whose pairs must not be mixed with its own.

    A dirty working tree is no state that could be found again: a name that is new every time.
    """
    dirty = datetime.now(UTC).isoformat() if any(revision.dirty for revision in revisions) else None
    return {
        "schema": GATE_SCHEMA, "base": revisions[0].commit, "head": revisions[-1].commit, "dirty": dirty,
        "benchmarks": [[benchmark.name, *benchmark.options()] for benchmark in request.benchmarks],
        "threshold": request.threshold, "max_pairs": request.most_pairs, "apart": request.apart,
        "base_python": request.base_python, "head_python": request.head_python,
        "allow_spec_change": request.allow_spec_change, "machine": machine.fingerprint(),
    }  # fmt: skip


@contextmanager
def prepared(
    repository: Repository, revisions: list[Revision], request: Request, say: Say
) -> Iterator[tuple[Bench, list[Side]]]:
    """Both sides checked out and tried, and a place to measure; nothing of it is left at the end."""
    with termination_as_interrupt(), workplace() as folder, checkouts(repository, revisions, folder) as trees:
        interpreters = sides.pythons(trees, folder, say)
        named = {"base": request.base_python, "head": request.head_python}
        frameworks = sorted({benchmark.framework for benchmark in request.benchmarks})
        names = ["base", "head"] if len(revisions) > 1 else ["head"]
        made = [
            sides.make_side(name, revision, tree, python, named[name], frameworks, folder / "shared")
            for name, revision, tree, python in zip(names, revisions, trees, interpreters, strict=True)
        ]
        for side in made:
            say(f"{side.name}: {side.label}")
        bench = Bench(folder / "pairs", folder / "failed")
        try:
            yield bench, made
        finally:
            bench.close()


def side_result(side: Side, versions: dict[str, str]) -> SideResult:
    """A side as the result has it."""
    revision = side.revision
    return SideResult(name=revision.name, label=side.label, commit=revision.commit, dirty=revision.dirty,
                      python=side.named, versions=versions)  # fmt: skip


def device_name() -> str:
    """What is measured on, for people."""
    gpus = machine.gpus()
    return gpus[0].name if gpus else f"{machine.cpu_model()}, {len(machine.usable_cores())} cores"
