"""What the harness takes from the cell that it measures: `python -m bench.studies.harness_cost`, on an idle machine.

A real cell (`bert-6l` quick, PyTorch, CPU, all cores) under the progress of a terminal. The figure is CPU time, so
that other work on the machine does not count much; the window is that of bench/records/usage.py.
"""

from __future__ import annotations

import io
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from bench.host import machine
from bench.host.files import write_atomically
from bench.host.locations import PROJECT_ROOT
from bench.records.directory import RunDirectory
from bench.records.record import Record
from bench.run.execution import execute, start_run
from bench.run.plan import Request
from bench.run.progress import ConsoleReporter
from shared.errors import UserError

OUT = PROJECT_ROOT / "results" / "reference" / "harness-cost.md"
COLUMNS = (
    "processor", "cores", "cell", "windows", "seconds of one", "looks in one", "CPU seconds of the harness in one",
    "share of a core",
)  # fmt: skip
GOAL = 0.005  # of a core


def measure(num_windows: int, steps: int, replicas: int) -> list[Record]:
    """Run the cell so many times; the records of those that ended well and whose window was seen.

    Raises:
        UserError: none did.
    """
    request = Request(
        frameworks=("pt",), replicas=(replicas,), workload="bert-6l", preset="quick", device="cpu", epochs=0,
        steps=steps, repeats=num_windows,
    )  # fmt: skip
    reporter = ConsoleReporter(Console(file=io.StringIO(), force_terminal=True, width=80))
    with (
        tempfile.TemporaryDirectory(prefix="twinbench-") as temporary,
        RunDirectory(Path(temporary) / "run", resume=False) as directory,
    ):
        records = execute(start_run(directory, request, click.echo), directory, reporter)
    seen = [record for record in records if record.usage and record.usage.harness_cpu_seconds is not None]
    if not seen:
        raise UserError(f"no window was measured: {records[0].reason if records else 'no cell was run'}")
    return seen


def spent_in(records: Sequence[Record]) -> list[tuple[float, float]]:
    """CPU seconds of the harness in each window, and the window's own."""
    usages = [record.usage for record in records if record.usage is not None]
    return [(usage.harness_cpu_seconds or 0.0, usage.window_seconds or 1.0) for usage in usages]


def median_share(records: Sequence[Record]) -> float:
    """Of a core."""
    return statistics.median(seconds / window for seconds, window in spent_in(records))


def row(records: Sequence[Record], processor: str, num_cores: int) -> list[str]:
    """The figures by COLUMNS: medians, and the largest share in brackets."""
    spent = spent_in(records)
    looks = [record.usage.num_samples_window or 0 for record in records if record.usage is not None]
    return [
        processor,
        str(num_cores),
        f"{records[0].workload} {records[0].preset}, PyTorch x {records[0].replicas}",
        str(len(records)),
        f"{statistics.median(window for _, window in spent):.1f}",
        str(round(statistics.median(looks))),
        f"{statistics.median(seconds for seconds, _ in spent):.4f}",
        f"{100 * median_share(records):.2f} % (at most {100 * max(each / window for each, window in spent):.2f} %)",
    ]


def written(line: Sequence[str], before: str) -> str:
    """The document with a processor's row in it, in place of its row of before.

    Args:
        before: the document as it was; empty where there was none.
    """
    rows = [text for text in before.splitlines() if text.startswith("| ")][2:]  # less the heading
    others = [text for text in rows if not text.startswith(f"| {line[0]} |")]
    table = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS), *others, "| " + " | ".join(line) + " |"]
    head = (
        "What the harness takes from the cell that it measures, printed by "
        "`python -m bench.studies.harness_cost --record`, a row per processor.\n"
        "Medians over the windows; the largest share in brackets.\n"
    )
    return "\n".join([head, *table]) + "\n"


@click.command(context_settings={"show_default": True})
@click.option("--windows", type=click.IntRange(1, 100), default=5, help="Cells to run.")
@click.option("--steps", type=click.IntRange(2, 10_000), default=100, help="Measured steps of each.")
@click.option("--replicas", type=click.IntRange(1, 64), help="[default: one per core]")
@click.option("--record", is_flag=True, help=f"Write the row into {OUT.relative_to(PROJECT_ROOT)} too.")
def main(windows: int, steps: int, replicas: int | None, record: bool) -> None:
    """Print the CPU time of the harness inside the measured window of a cell.

    Exit code 1: its median share is above 0.5 % of a core.
    """
    num_cores = len(machine.usable_cores())
    try:
        records = measure(windows, steps, replicas or num_cores)
    except UserError as error:
        raise click.UsageError(str(error)) from None
    line = row(records, machine.cpu_model(), num_cores)
    for name, value in zip(COLUMNS, line, strict=True):
        click.echo(f"{name}: {value}")
    if record:
        write_atomically(OUT, written(line, OUT.read_text(encoding="utf-8") if OUT.exists() else ""))
    raise SystemExit(int(median_share(records) > GOAL))


if __name__ == "__main__":
    main()
