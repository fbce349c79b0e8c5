"""The intervals of speedups and framework ratios, in the order of a plan, on a machine that drifts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.cells.launch import Outcome
from bench.cells.summary import make_record
from bench.host import machine
from bench.records.columns import column_name
from bench.records.record import Record
from bench.records.repeats import Row, measured, rows
from bench.records.sittings import Sittings
from bench.run.plan import Plan, Request, make_plan
from bench.show.table_notes import column_ratios
from bench.statistics import intervals as stats
from bench.statistics.steps import Floats
from bench.statistics.words import level_text
from shared import spec, tasks
from shared.store_facts import StoreFacts

GPUS = (1, 2, 4)
SPEEDS = {"pt": 100.0, "tf": 80.0}  # samples/s of one replica
EFFICIENCIES = {1: 1.0, 2: 0.9, 4: 0.8}
WALLS = {"pt": 40.0, "tf": 70.0}  # seconds of a cell at one replica; a tenth more for each further one
GAP = 1.0  # seconds between two cells
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DRIFTS, NOISES, REPEATS = (0.03, 0.10), (0.003, 0.01), (5, 7)


@dataclass(frozen=True)
class Claim:
    """A ratio that a table shows, and which cells it is made from."""

    name: str
    over: tuple[int, ...]  # places of cells in the plan's order, pair by pair
    under: tuple[int, ...]
    truth: float


def simulated_plan(repeats: int) -> Plan:
    """The plan of `bench run --framework both --gpus 1,2,4` on a machine with as many GPUs."""
    request = Request(replicas=GPUS, repeats=repeats, epochs=0)
    gpus = [machine.Gpu(str(place), "Example GPU", 1 << 36) for place in range(max(GPUS))]
    store = StoreFacts(
        "store", "synthetic", "0", 16, {"train": 512, "val": 64, "test": 64}, (tasks.DEFAULT,), image_size=64
    )
    return make_plan(request, spec.load("effnet-b0", "quick"), store, 0, gpus)


def simulated_records(plan: Plan, speeds: Sequence[float]) -> list[Record]:
    """The records of a plan's cells, run one after another.

    Args:
        speeds: throughput of each cell, in the plan's order.
    """
    records, now = [], BEGIN
    for cell, speed in zip(plan.cells, speeds, strict=True):
        wall = WALLS[cell.framework] * (1 + 0.1 * (cell.replicas - 1))
        outcome = Outcome("ok", None, [[]], now.isoformat(), wall, 0.0)
        record = make_record(cell, outcome, {}, run_id="run", kind="plain", device_name="Example GPU", data_digest="0",
                             data_name="synthetic", certificate="verified")  # fmt: skip
        records.append(record.model_copy(update={"throughput": speed}))
        now += timedelta(seconds=wall + GAP)
    return records


def moments(records: Sequence[Record]) -> Floats:
    """When each cell was in its middle, as a share of the run: in (0, 1)."""
    starts = np.array([datetime.fromisoformat(record.started).timestamp() for record in records])
    walls = np.array([record.wall_seconds for record in records])
    middles = starts + walls / 2 - starts.min()
    return np.asarray(middles / (starts + walls - starts.min()).max())


def true_speed(record: Record) -> float:
    """Without drift and noise, samples/s."""
    return SPEEDS[record.framework] * record.replicas * EFFICIENCIES[record.replicas]


def claims(records: Sequence[Record]) -> list[Claim]:
    """The speedups and the framework ratios that tables make of some records, and the pairs that each rests on."""
    numbered = [record.model_copy(update={"throughput": place + 1.0}) for place, record in enumerate(records)]
    sittings = Sittings(numbered)
    found = []
    for name, over, under in compared(rows(numbered)):
        ours, theirs = measured(over.records, sittings), measured(under.records, sittings)
        pairs = [(int(ours[key]) - 1, int(theirs[key]) - 1) for key in ours if key in theirs]
        places, others = zip(*pairs, strict=True)
        truth = true_speed(over.records[0]) / true_speed(under.records[0])
        found.append(Claim(name, places, others, truth))
    return found


def compared(found: Sequence[Row]) -> Iterator[tuple[str, Row, Row]]:
    """What a table of rows compares: each speedup's two rows, then each framework ratio's."""
    single = {row.records[0].column: row for row in found if row.records[0].replicas == 1}
    for row in found:
        if row.speedup is not None and row.records[0].replicas > 1:
            own = row.records[0]
            yield f"speedup of {column_name(own)} at {own.replicas}", row, single[own.column]
    for first, other, _ in column_ratios(found):
        names = [column_name(row.records[0]) for row in (other, first)]
        yield f"{' / '.join(names)} at {first.records[0].replicas}", other, first


def intervals(claim: Claim, logs: Floats) -> tuple[Floats, Floats]:
    """The bounds that `stats.ratio` gives a claim, on the log scale.

    Args:
        logs: (..., cells) of throughputs, in the plan's order.
    """
    rank = stats.nearest_rank(len(claim.over), stats.LEVEL)
    assert rank is not None, claim
    differences = logs[..., list(claim.over)] - logs[..., list(claim.under)]
    _, low, high = stats.centre_and_bounds(differences, rank)
    return low, high


def simulated_logs(records: Sequence[Record], drift: float, noise: float, experiments: int, seed: int = 0) -> Floats:
    """Logarithms of throughputs of simulated runs, (experiments, cells).

    Args:
        drift: share by which the machine becomes slower, steadily, from the run's beginning to its end.
        noise: standard deviation of a cell, a share.
    """
    draws = np.random.default_rng(seed)
    steady = np.log([true_speed(record) for record in records]) + np.log1p(-drift * moments(records))
    return np.asarray(steady + np.log1p(noise * draws.normal(size=(experiments, len(records)))))


def coverage(plan: Plan, drift: float, noise: float, experiments: int) -> dict[str, float]:
    """How often each claim's interval holds its truth."""
    records = simulated_records(plan, [1.0] * len(plan.cells))
    logs = simulated_logs(records, drift, noise, experiments)
    shares = {}
    for claim in claims(records):
        low, high = intervals(claim, logs)
        truth = math.log(claim.truth)
        shares[claim.name] = float(np.mean((low <= truth) & (truth <= high)))
    return shares


def in_one_order(plan: Plan) -> Plan:
    """The same cells with every repeat in the order of the first: what a plan must not do."""
    first = [(cell.replicas, cell.framework) for cell in plan.cells if cell.repeat == 0]
    cells = sorted(plan.cells, key=lambda cell: (cell.repeat, first.index((cell.replicas, cell.framework))))
    return replace(plan, cells=tuple(cells))


def table(experiments: int) -> Iterator[str]:
    """The lowest coverage of all speedups, and of all framework ratios, by repeats, drift and noise."""
    yield "| repeats | level | drift % | noise % | speedups | ratios | in one order: speedups | ratios |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for repeats in REPEATS:
        plan = simulated_plan(repeats)
        rank = stats.nearest_rank(repeats, stats.LEVEL)
        assert rank is not None, repeats
        for drift in DRIFTS:
            for noise in NOISES:
                texts = [str(repeats), level_text([stats.rank_level(repeats, rank)]), f"{100 * drift:g}"]
                texts.append(f"{100 * noise:g}")
                for each in (plan, in_one_order(plan)):
                    shares = coverage(each, drift, noise, experiments)
                    for kind in (True, False):
                        lowest = min(share for name, share in shares.items() if ("speedup" in name) is kind)
                        texts.append(f"{100 * lowest:.1f} %")
                yield f"| {' | '.join(texts)} |"
