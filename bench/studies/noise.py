"""How noisy measured cells were, from their records.

`python -m bench.studies.noise RUN...`; `--windows` for drift in windows.

What an interval has to stand: how far processes of the same cell lie apart, how much of that its own steps would
explain if they were independent, how alike neighbouring steps are, and the drift within a window and over the repeats.
The simulations that the intervals are tested with take their constants from here (results/reference/noise.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from bench.records import identity
from bench.records.columns import column_name, column_order
from bench.records.record import Record, read_records
from bench.show.disturbances import DRIFT, disturbances
from bench.statistics.steps import autocorrelation, blocks, drift, outlying, thirds
from shared.errors import UserError

BLOCK = 8  # steps
FEWEST_STEPS = 2 * BLOCK  # two blocks have a spread

COLUMNS = (
    "cell", "repeats", "between processes %", "if steps were independent %", f"if blocks of {BLOCK} were %",
    "drift over the repeats %", "steps", "within a process %", "autocorrelation", "drift in a window %", "outliers",
)  # fmt: skip


@dataclass(frozen=True)
class Noise:
    """The noise of one cell's repeats; shares, not percent. Of several processes, their median unless it says more."""

    name: str
    repeats: int
    between: float | None  # standard deviation of the processes' log throughputs; None: one repeat
    independent: float  # what `between` would be if a process were its steps and those were independent
    blocked: float  # the same of blocks of BLOCK steps, which are less alike
    trend: float | None  # of throughput from the first repeat to the last, a line through the log throughputs
    steps: int  # a process
    within: float  # standard deviation of a process's steps over their mean
    autocorrelation: float
    drifts: tuple[float, ...]  # of each process, within its window
    outliers: int
    outlier_share: float  # of the time of all steps


def noise_of(repeats: Sequence[Record]) -> Noise:
    """The noise of one cell.

    Args:
        repeats: records of the same cell that ended well, each with FEWEST_STEPS steps or more.
    """
    ordered = sorted(repeats, key=lambda record: record.started)
    first, logs = ordered[0], np.log([record.throughput or math.nan for record in ordered])
    steps = [record.step_seconds for record in ordered]
    spread = [float(np.std(each, ddof=1) / np.mean(each)) for each in steps]
    within, number = float(np.median(spread)), int(np.median([len(each) for each in steps]))
    outliers = [outlying(each) for each in steps]
    slow = sum(found.share * sum(each) for found, each in zip(outliers, steps, strict=True))
    several = len(ordered) > 1
    slope = float(np.polyfit(np.arange(len(ordered)), logs, 1)[0]) if several else None
    return Noise(
        name=f"{column_name(first)}, {first.workload} x {first.replicas}, {first.input_mode}",
        repeats=len(ordered),
        between=float(np.std(logs, ddof=1)) if several else None,
        independent=within / math.sqrt(number),
        blocked=block_error(steps),
        trend=None if slope is None else slope * (len(ordered) - 1),
        steps=number,
        within=within,
        autocorrelation=float(np.median([autocorrelation(each) for each in steps])),
        drifts=tuple(drift(each) for each in steps),
        outliers=sum(found.count for found in outliers),
        outlier_share=slow / sum(map(sum, steps)),
    )


def block_error(steps: Sequence[Sequence[float]]) -> float:
    """The standard error of a process's mean step as a share of it, from the spread of its blocks; over all processes.

    Args:
        steps: of each process.
    """
    means = [np.array(blocks(each, BLOCK)) for each in steps]
    return math.sqrt(np.mean([np.var(each / each.mean(), ddof=1) / len(each) for each in means]))


def cells(records: Sequence[Record]) -> list[Noise]:
    """The noise of every cell that has steps enough, by column and replicas."""
    groups: dict[identity.Values, list[Record]] = {}
    for record in sorted(records, key=lambda record: (column_order(record), record.replicas)):
        if record.status == "ok" and record.throughput is not None and len(record.step_seconds) >= FEWEST_STEPS:
            groups.setdefault(identity.cell(record), []).append(record)
    return [noise_of(group) for group in groups.values()]


def line(noise: Noise) -> list[str]:
    """A cell's noise as text, by COLUMNS."""
    return [
        noise.name,
        str(noise.repeats),
        "-" if noise.between is None else f"{100 * noise.between:.1f}",
        f"{100 * noise.independent:.1f}",
        f"{100 * noise.blocked:.1f}",
        "-" if noise.trend is None else f"{100 * noise.trend:+.1f}",
        str(noise.steps),
        f"{100 * noise.within:.1f}",
        f"{noise.autocorrelation:.2f}",
        f"{100 * min(noise.drifts):+.1f} to {100 * max(noise.drifts):+.1f}",
        f"{noise.outliers} of {noise.repeats * noise.steps} ({100 * noise.outlier_share:.1f} % of the time)",
    ]


def window_lines(records: Sequence[Record]) -> Iterator[str]:
    """A Markdown line a window whose first third and last third differ by more than DRIFT, and how many there are.

    Args:
        records: of any runs; those with fewer than 3 measured steps say nothing.
    """
    yield "| run | cell | warm-up, steps | stood still | first third against last % | standard error % | said |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    found = [record for record in records if record.status == "ok" and len(record.step_seconds) >= 3]
    num_beyond = num_unsaid = 0
    for record in found:
        seen = thirds(record.step_seconds)
        if abs(seen.drift) <= DRIFT:
            continue
        is_said = any("third of its window" in text for text in disturbances(record))
        num_beyond, num_unsaid = num_beyond + 1, num_unsaid + (not is_said)
        stood_still = {True: "yes", False: "no", None: "-"}[record.warmup_stationary]
        error = "-" if seen.noise is None else f"{100 * seen.noise:.1f}"
        texts = [record.run_id, record.cell_id, str(record.warmup_steps or "-"), stood_still]
        yield f"| {' | '.join([*texts, f'{100 * seen.drift:+.1f}', error, 'yes' if is_said else 'NO'])} |"
    yield ""
    yield f"{num_beyond} of {len(found)} windows drift by more than {100 * DRIFT:.0f} %; {num_unsaid} of them unsaid"


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--windows", is_flag=True, help="The windows that drift, and whether their records say so.")
def main(runs: tuple[Path, ...], windows: bool) -> None:
    """Print how noisy the cells of RUNS were, as Markdown."""
    try:
        if windows:
            for text in window_lines(read_records(runs)):
                click.echo(text)
            return
        found = [noise for run in runs for noise in cells(read_records([run]))]
    except UserError as error:
        raise click.UsageError(str(error)) from None
    if not found:
        raise click.UsageError(f"no cell with {FEWEST_STEPS} measured steps in {', '.join(map(str, runs))}")
    for row in [COLUMNS, ["---"] * len(COLUMNS), *map(line, found)]:
        click.echo("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
