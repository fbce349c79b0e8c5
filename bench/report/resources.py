"""What cells used of the machine: memory, energy, and what the monitors saw of others on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.records.record import Record
from bench.records.repeats import Row, cell_name
from bench.records.usage import GpuUsage, Usage
from bench.report.blocks import Block, Cell, Notes, Text, number, table
from bench.report.comparison import names
from bench.report.training import good_records
from bench.show.disturbances import cell_text
from bench.statistics.intervals import median_of

GIB = 2**30


def memory(rows: Sequence[Row], name: str) -> list[Block]:
    """Memory, the allocator's and the processes' apart, and energy."""
    lines = []
    for row in rows:
        good = good_records(row)
        lines.append(
            names(row)
            | {
                "allocator peak GiB": gib([record.memory_allocator_peak for record in good]),
                "process footprint GiB": gib([record.memory_rss_peak for record in good]),
                "whole tree RSS GiB": gib(used(good, lambda usage: usage.rss_peak)),
                "whole tree PSS GiB": gib(used(good, lambda usage: usage.pss_peak)),
                "on the GPU GiB": gib([total(record, lambda gpu: gpu.memory_used_peak) for record in good]),
                "J per 1,000 samples": number(median_of(used(good, lambda usage: usage.energy_per_1000_samples)), 1),
                "power W": number(median_of([total(record, lambda gpu: gpu.power_mean) for record in good]), 0),
            }
        )
    made = table(name, "Peak memory and energy, medians over repeats", lines)
    remarks = [
        "allocator peak: what the framework's device allocator held at once in the window, the largest rank; process "
        "footprint: resident memory as the workers saw it, summed over them; whole tree: as the harness saw it, with "
        "helpers, pages shared by several processes counted once in PSS and in each of them in RSS"
    ]
    if "allocator peak GiB" not in made.headings:
        remarks.append("no allocator peak: on CPU the frameworks report none")
    if "J per 1,000 samples" not in made.headings:
        remarks.append("no energy: no GPU told its power")
    return [made, Notes(tuple(remarks))]


def gib(values: Sequence[float | None]) -> Cell:
    """The median of some bytes."""
    value = median_of(values)
    return number(None if value is None else value / GIB, 2)


def used(records: Sequence[Record], figure: Callable[[Usage], float | None]) -> list[float | None]:
    """A figure of the monitors, of those records that have any."""
    return [figure(record.usage) for record in records if record.usage is not None]


def gpus(record: Record) -> list[GpuUsage]:
    """The GPUs of a cell that monitors saw."""
    return record.usage.gpus if record.usage else []


def total(record: Record, figure: Callable[[GpuUsage], float | None]) -> float | None:
    """The sum over a cell's GPUs; None where one of them does not say."""
    values = [figure(gpu) for gpu in gpus(record)]
    present = [value for value in values if value is not None]
    return sum(present) if present and len(present) == len(values) else None


def mean(record: Record, figure: Callable[[GpuUsage], float | None]) -> float | None:
    """The mean over a cell's GPUs."""
    whole = total(record, figure)
    return None if whole is None else whole / len(gpus(record))


def throttling(records: Sequence[Record]) -> Cell:
    """Why clocks were held down, and in how much of the time at most."""
    shares: dict[str, float] = {}
    for record in records:
        for gpu in gpus(record):
            for reason, share in (gpu.throttle_reasons or {}).items():
                shares[reason] = max(share, shares.get(reason, 0.0))
    return Cell(", ".join(f"{reason} {100 * share:.0f} %" for reason, share in shares.items()), tone="warn")


def harness_share(record: Record) -> float | None:
    """Of one core, how much the harness took in the window, in per cent; of an older record, while the cell ran."""
    usage = record.usage
    if usage is not None and usage.harness_cpu_seconds is not None and usage.window_seconds:
        return 100 * usage.harness_cpu_seconds / usage.window_seconds
    if record.harness_cpu_seconds is None or record.wall_seconds <= 0:
        return None
    return 100 * record.harness_cpu_seconds / record.wall_seconds


def monitors(rows: Sequence[Row], name: str) -> list[Block]:
    """Cores used by the cell and by others, GPUs' clocks, what could not be measured."""
    lines = []
    for row in rows:
        good = good_records(row)
        lines.append(
            names(row)
            | {
                "cores used": number(median_of(used(good, lambda usage: usage.cores_used)), 2),
                "cores used by others": number(median_of(used(good, lambda usage: usage.disturbance)), 2),
                "cores stolen": number(median_of(used(good, lambda usage: usage.stolen_cores)), 2),
                "harness, % of a core": number(median_of([harness_share(record) for record in good]), 2),
                "GPU busy": number(median_of([mean(record, lambda gpu: gpu.utilisation_mean) for record in good]), 2),
                "SM clock MHz": number(median_of([mean(record, lambda gpu: gpu.sm_clock_mean) for record in good]), 0),
                "throttled": throttling(good),
            }
        )
    told = [f"{cell_name(row, rows)}: {text}" for row in rows if (text := cell_text(row.records))]
    blocks: list[Block] = [table(name, "What the harness's monitors saw in the window, medians over repeats", lines)]
    if told:
        blocks.append(Notes(tuple(told)))
    if all(record.usage is None for row in rows for record in row.records):
        blocks.append(
            Text("These records are of a version without monitors: only the harness's own CPU time is known.")
        )
    return blocks
