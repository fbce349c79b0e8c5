"""The split of a training step. Every formula of an attribution is here.

T(kind) is the time of a step in one kind of cell: the input modes `disk`, `memory` and `device`, and `alone`, which is
`device` without gradient exchange (at 1 replica `device` itself). P(part) is the time of a part of a step by itself
(shared/parts.py), on a whole batch that is on the device, as its share of a step timed in the same round, times
T(alone): the rounds come after the window, when the machine may be faster or slower.

| part | what it is | formula |
| --- | --- | --- |
| forward_backward | loss and gradients, less what they cost whatever the batch | P(forward_backward) - P(overhead) |
| overhead | of the framework: the same operations on the smallest batch (dispatch, scheduling, reading the weights once) | P(overhead) |
| optimizer | the update of every weight | P(optimizer) |
| exchange | of gradients, as far as the backward pass does not hide it | T(device) - T(alone); 0 at 1 replica |
| copy | of a batch from host to device, as far as it shows in the step | P(copy), at most what the input costs; 0 on CPU |
| wait | for the input: batches that come late, and the cores that making them takes from the step | T(disk) - T(device) - copy |
| unexplained | the rest, with its sign | T(disk) - all of the above |

So the parts of a repeat add up to its step by definition, and `unexplained` says how far they did by measurement.
T is of the whole window, slow steps included, as the throughput of every other table is: the window's seconds of the
slowest rank over its steps. The typical step, the median over turns (over steps where none were taken), is shown beside
it and decides nothing. The input modes do the same work: pages are equally large, texts padded to one width
(cells.one_width).
"""  # noqa: E501 (a table)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median

from bench.attribution import estimates
from bench.records import identity
from bench.records.columns import column_name, column_order
from bench.records.kinds import attributions
from bench.records.record import Record
from bench.records.sittings import PairKey, Sittings
from bench.statistics.intervals import Estimate

PARTS = ("forward_backward", "overhead", "optimizer", "exchange", "copy", "wait", "unexplained")
# measured beside them: parts of the input, and what of it can be seen from one side only
BESIDE = ("reading", "assembling", "waited", "copy_alone", "typical")
STEP = "step"
ALONE = "alone"
MUST_EXPLAIN = 0.05  # of the step: a rest beyond it is pointed out


@dataclass(frozen=True)
class Split:
    """Of one column at one number of replicas, over its repeats; seconds per step."""

    records: tuple[Record, ...]  # of its cells with input mode `disk`, one per repeat
    repeats: dict[PairKey, dict[str, float]]  # STEP, PARTS and BESIDE of every complete repeat

    @property
    def name(self) -> str:
        """The column as a reader knows it."""
        return column_name(self.records[0])

    @property
    def replicas(self) -> int:
        return self.records[0].replicas

    def of(self, chosen: Sequence[PairKey]) -> Split:
        """The split of some of its repeats alone."""
        records = tuple(record for key, record in zip(self.repeats, self.records, strict=True) if key in chosen)
        return Split(records, {repeat: self.repeats[repeat] for repeat in chosen})

    def values(self, part: str) -> list[float]:
        """Of STEP, a part, or what is measured beside: a value per repeat."""
        return [repeat[part] for repeat in self.repeats.values()]

    @cached_property
    def step(self) -> Estimate:
        """T(disk): the step of the whole pipeline."""
        return estimates.median(self.values(STEP))

    @cached_property
    def parts(self) -> dict[str, Estimate]:
        """PARTS, in their order."""
        return {part: estimates.median(self.values(part)) for part in PARTS}

    @cached_property
    def beside(self) -> dict[str, Estimate]:
        """What is no part of its own: `reading` (T(disk) - T(memory): the store from disk), `assembling` (T(memory) -
        T(device)), `waited` (seen by the step itself: how long it stood before `next`), `copy_alone` (P(copy)),
        `typical` (the median turn's step: where it is far below the step, few steps took long)."""
        return {part: estimates.median(self.values(part)) for part in BESIDE}

    @cached_property
    def unexplained_share(self) -> Estimate:
        """Of the step, with its sign."""
        return estimates.median([repeat["unexplained"] / repeat[STEP] for repeat in self.repeats.values()])

    @property
    def is_explained(self) -> bool:
        """Whether the parts add up to the step within MUST_EXPLAIN."""
        return abs(self.unexplained_share.value) <= MUST_EXPLAIN


def kind_of(record: Record) -> str:
    """The kind of cell that a record of an attribution is of."""
    return record.input_mode if record.exchange else ALONE


def kinds(replicas: int) -> tuple[str, ...]:
    """The kinds of cells that a repeat needs."""
    return ("disk", "memory", "device", *([ALONE] if replicas > 1 else []))


def split_key(record: Record) -> identity.Values:
    """What the cells of a split have in common, less the column."""
    return identity.place(record, besides=(identity.INPUT,))


def attribute(records: Iterable[Record]) -> list[Split]:
    """The splits of all attributions among records, by settings, replicas and column.

    A repeat one of whose cells failed, is missing or was run at another time counts for nothing; a column without a
    complete one has no split.
    """
    records = list(records)
    sittings = Sittings(records)
    groups: dict[identity.Values, dict[PairKey, dict[str, Record]]] = {}
    own = attributions(records)
    for record in sorted(own, key=lambda record: (record.replicas, column_order(record), record.repeat)):
        if record.status == "ok":
            repeats = groups.setdefault((*split_key(record), record.column), {})
            repeats.setdefault(sittings.key(record), {})[kind_of(record)] = record
    splits = []
    for group in groups.values():
        whole = {repeat: cells for repeat, cells in group.items() if is_complete(cells)}
        if whole:
            values = {repeat: split_repeat(cells) for repeat, cells in whole.items()}
            splits.append(Split(tuple(cells["disk"] for cells in whole.values()), values))
    return splits


def is_complete(cells: Mapping[str, Record]) -> bool:
    """Whether a repeat has every kind of cell, and its parts were timed."""
    first = next(iter(cells.values()))
    needed = kinds(first.replicas)
    return all(kind in cells for kind in needed) and STEP in cells[needed[-1]].part_seconds


def split_repeat(cells: Mapping[str, Record]) -> dict[str, float]:
    """STEP, PARTS and BESIDE of one repeat of one column: the formulas of the table above.

    Args:
        cells: kind to record, complete.
    """
    disk, memory, device = cells["disk"], cells["memory"], cells["device"]
    alone = cells.get(ALONE, device)
    timed = part_seconds(alone)
    whole, smallest = timed["forward_backward"], timed["overhead"]
    step, fed = step_seconds(disk), excess(disk, device)
    # a CPU replica reads the host's memory as it is; what handing an array over costs there is in the wait
    copy_alone = 0.0 if device.device == "cpu" else median(timed["copy"])
    parts = {
        "forward_backward": median(each - least for each, least in zip(whole, smallest, strict=True)),
        "overhead": median(smallest),
        "optimizer": median(timed["optimizer"]),
        "exchange": 0.0 if alone is device else excess(device, alone),
        # a copy runs beside the device's work where it can: what is hidden so is no part of the step
        "copy": (copy := min(copy_alone, max(0.0, fed))),
        "wait": fed - copy,
    }
    return {
        STEP: step,
        **parts,
        "unexplained": step - sum(parts.values()),
        "reading": excess(disk, memory),
        "assembling": excess(memory, device),
        "waited": fmean(disk.wait_seconds) if disk.wait_seconds else 0.0,
        "copy_alone": copy_alone,
        "typical": median(disk.turn_seconds or disk.step_seconds or [step]),
    }


def part_seconds(record: Record) -> dict[str, list[float]]:
    """P of each part, a value per round: what a step of the cell's window has of it."""
    whole, steps = step_seconds(record), record.part_seconds["step"]
    return {
        part: [whole * each / step for each, step in zip(rounds, steps, strict=True)]
        for part, rounds in record.part_seconds.items()
    }


def step_seconds(record: Record) -> float:
    """Seconds per step: the whole window's, of the slowest rank, whether turns were taken or not."""
    assert record.measured_steps and record.window_seconds, f"{record.cell_id} is ok and was not measured"
    return max(record.window_seconds) / record.measured_steps


def excess(over: Record, under: Record) -> float:
    """How many seconds longer a step of one cell is than that of another, with its sign."""
    return step_seconds(over) - step_seconds(under)
