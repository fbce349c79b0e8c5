"""How long the cells of a plan should take, from the records of earlier runs on the same kind of device."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cells.summary import asked_for
from bench.records.identity import PLANNED_FIELDS, Planned, differing, place
from bench.records.record import Record, read_record
from bench.run.plan import Plan
from bench.run.stores import NOT_MADE
from shared.errors import UserError
from shared.families import family_of
from shared.protocol import Cell

MUST_AGREE = {"device", "machine", "arm", "precision"}  # or a record tells nothing of a cell
EVALUATION_SHARE = 1 / 3  # forward alone, of the cost of a training step's forward and backward


@dataclass(frozen=True)
class Expectation:
    """What a cell should take."""

    seconds: float | None  # None: no earlier record tells
    source: str  # in words

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return self.seconds is not None


UNKNOWN = Expectation(None, "no earlier record")


def earlier_records(runs: Path, others: Iterable[Path] = ()) -> list[Record]:
    """The finished cells of every run in a folder, and of further run directories; what cannot be read is passed over.

    Args:
        runs: a folder of run directories, as results/runs; it need not exist.
        others: run directories elsewhere, as the present one.
    """
    folders = {path.resolve() for path in [*runs.glob("*/"), *others]}
    records = []
    for path in sorted(path for folder in folders for path in (folder / "records").glob("*.json")):
        with suppress(UserError):  # another kind of record, or a later version's
            records.append(read_record(path))
    # what was measured without the exchange, part by part, or in turn with other trainings is another kind of cell
    plain = [record for record in records if record.exchange and not (record.part_seconds or record.turn_seconds)]
    return [record for record in plain if record.status == "ok"]


def expected(plan: Plan, records: Sequence[Record]) -> dict[str, Expectation]:
    """Cell id to what the cell should take.

    The median of the same cells where there are any: the same spec, data, framework, replicas, cores, device and
    epochs, in the same version where versions are compared. Else it is worked out from the nearest number of replicas
    of the same framework and model: seconds to the first step, then steps and evaluation at its throughput, scaled by
    replicas and by the size of a sample. That is a rough figure, and says so.
    """
    first = planned(plan, plan.cells[0])  # in what must agree all cells of a plan are alike
    alike = [record for record in records if not MUST_AGREE & set(differing(record, first))]
    return {cell.cell_id: of_cell(plan, cell, alike) for cell in plan.cells}


def planned(plan: Plan, cell: Cell) -> Planned:
    """A cell of a plan as records are compared with it."""
    known = asked_for(cell) | {
        "device_name": plan.device_name,
        "data_name": plan.store.name,
        "data_digest": plan.store.digest,
    }
    return Planned(**{name: known[name] for name in PLANNED_FIELDS})


def of_cell(plan: Plan, cell: Cell, records: Sequence[Record]) -> Expectation:
    """The expectation of one cell, from records that agree with it in what they must."""
    ours = planned(plan, cell)
    same = [record for record in records if is_same_cell(record, cell, ours)]
    same = [record for record in same if record.column == (cell.variant or cell.framework)] or same
    if same:
        return Expectation(statistics.median(record.wall_seconds for record in same), told(same, ""))
    related = [record for record in records if is_related(record, cell)]
    if not related:
        return UNKNOWN
    nearest = min(distance(record, cell) for record in related)
    used = [record for record in related if distance(record, cell) == nearest]
    return Expectation(statistics.median(scaled(record, plan, cell) for record in used), told(used, "scaled "))


def is_same_cell(record: Record, cell: Cell, ours: Planned) -> bool:
    """Whether a record is of a cell that does the same work; a dry run makes no store, so its data have a name alone.

    Args:
        ours: the cell, as records are compared with it.
    """
    same = (record.framework, record.runtime, record.epochs, record.spec_hash)
    if same != (cell.framework, cell.runtime, cell.epochs, ours.spec_hash):
        return False
    if ours.data_digest == NOT_MADE:
        ours = replace(ours, data_digest=record.data_digest)
    return place(record) == place(ours) and ("finetune" in record.scores) == cell.finetune


def is_related(record: Record, cell: Cell) -> bool:
    """Whether a record's throughput tells something of a cell's: the same model in the same framework."""
    if record.mode != cell.mode:
        return False
    measured = record.throughput is not None and record.throughput > 0 and record.time_to_first_step is not None
    return measured and (record.framework, record.workload) == (cell.framework, cell.workload.name)


def distance(record: Record, cell: Cell) -> tuple[bool, float, bool]:
    """How far a record is from a cell, worst difference first."""
    ratio = max(record.replicas, cell.replicas) / min(record.replicas, cell.replicas)
    return record.preset != cell.workload.preset, ratio, record.input_mode != cell.input_mode


def scaled(record: Record, plan: Plan, cell: Cell) -> float:
    """Seconds that a cell should take by the throughput of another."""
    assert record.throughput is not None and record.time_to_first_step is not None
    cores = len({core for group in cell.cores for core in group}) or cell.replicas
    before = (record.cores_per_replica or 1) * record.replicas
    growth = cores / before if cell.cores and not record.oversubscribed else cell.replicas / record.replicas
    rate = record.throughput * growth * record.cost / family_of(cell.workload).describe(cell.workload).cost
    samples = float(plan.total_steps(cell) * cell.global_batch)
    if cell.epochs:
        samples += EVALUATION_SHARE * sum(plan.store.split_sizes.values())
    return record.time_to_first_step + samples / rate


def told(records: Sequence[Record], how: str) -> str:
    """Where a figure comes from."""
    runs = sorted({record.run_id for record in records})
    where = f"run {runs[-1]}" if len(runs) == 1 else f"{len(runs)} runs, last {runs[-1]}"
    return f"{how}from {len(records)} record{'s' if len(records) > 1 else ''} of {where}"


def summed(expectations: Iterable[Expectation], clock: Callable[[float], str]) -> str:
    """The total and its sources, in one line.

    Args:
        clock: writes seconds for people.
    """
    every = list(expectations)
    known = [each.seconds for each in every if each.seconds is not None]
    if not known:
        return "unknown (no earlier record)"
    missing = len(every) - len(known)
    least = f"at least, {missing} of {len(every)} cells have no earlier record" if missing else "in all"
    sources = dict.fromkeys(each.source for each in every if each.known)
    return f"{clock(sum(known))} {least}; {'; '.join(sources)}"
