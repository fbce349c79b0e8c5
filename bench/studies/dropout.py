"""What dropout from counters saves and costs, on an idle machine: `python -m bench.studies.dropout COMMAND`.

`batches` compares what a training batch weighs and takes to assemble with an older revision, `input` throughput of the
whole pipeline (one loader) with that of a batch on the device, `rate` a step that drops features with one that drops
none. Each prints a table with its command.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console

from bench.gate.revisions import Repository, checkouts
from bench.host import machine
from bench.host.files import write_atomically
from bench.host.locations import PROJECT_ROOT
from bench.records.directory import RunDirectory
from bench.run.execution import execute, start_run
from bench.run.plan import Request
from bench.run.progress import ConsoleReporter
from bench.statistics import intervals
from shared.errors import UserError
from shared.frameworks import FRAMEWORKS, KEYS, framework

WORKLOADS = (("bert-6l", "full"), ("bert-base", "imdb"), ("bert-large", "imdb"))
TEXTS = 1  # a step of `input`: the fewest, beside which what a loader takes for a step weighs the most
# In a process of either revision, with that revision's own code; its names are those that both have.
BATCHES = """
import json, sys, tempfile, time
from pathlib import Path
from statistics import median
from bench.verify.samples import make_samples
from shared import spec
from shared.batches import TrainBatches
from shared.store import open_store
workload, preset, count = spec.load(sys.argv[1], sys.argv[2]), sys.argv[2], int(sys.argv[3])
with tempfile.TemporaryDirectory() as folder:
    samples = 4 * workload.train.batch_per_replica
    make_samples(Path(folder) / "store", workload, samples, workload.model.num_classes, (1.0, 0.0, 0.0))
    batches = TrainBatches(open_store(Path(folder) / "store").in_memory(), workload, 0, 1)
    sizes, seconds = [], []
    for step in range(count + 1):
        begin = time.perf_counter()
        batch = batches.batch(step)
        seconds.append(time.perf_counter() - begin)
        sizes.append(sum(field.nbytes for field in batch))
print(json.dumps({"samples": len(batch.labels), "bytes": max(sizes), "seconds": median(seconds[1:])}))
"""
# A step with drops and one without take turns in one process, so that a slow moment hits both.
RATE = """
import json, sys, tempfile, time
from importlib import import_module
from pathlib import Path
from bench.verify.samples import make_samples
from shared import spec
from shared.batches import TrainBatches
from shared.families import family_of
from shared.store import open_store
name, preset, wing, steps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
workload = spec.load(name, preset)
family = family_of(workload)
networks, step = import_module(f"{wing}.networks"), import_module(f"{wing}.step")
tensor = import_module("torch").from_numpy if wing == "pt_impl" else import_module("tensorflow").constant
with tempfile.TemporaryDirectory() as folder:
    samples = 2 * workload.train.batch_per_replica
    make_samples(Path(folder) / "store", workload, samples, workload.model.num_classes, (1.0, 0.0, 0.0))
    batch = TrainBatches(open_store(Path(folder) / "store"), workload, 0, 1).batch(0)
    batch = type(batch)(*map(tensor, batch))
    weights = family.initial_weights(family.architecture(workload), 0)
    made = [step.Step(networks.build(each, weights), each, "fp32", 1) for each in
            (workload, family.without_drops(workload))]
    seen = [[], []]
    for index in range(steps + 5):
        for one, seconds in zip(made, seen):
            begin = time.perf_counter()
            float(one.train(batch, 1e-5))
            seconds.append(time.perf_counter() - begin)
print(json.dumps([seconds[5:] for seconds in seen]))
"""


def printed_by(program: str, checkout: Path, *arguments: str) -> Any:
    """What a program prints as its last line of JSON, run with the code of a checkout.

    Raises:
        UserError: it failed.
    """
    environment = os.environ | {"PYTHONPATH": str(checkout), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(arguments)}: {(done.stderr.strip() or 'no output').splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def document(what: str, command: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table under what it shows and the command that printed it."""
    table = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    table += ["| " + " | ".join(row) + " |" for row in rows]
    head = f"{what}, printed by\n`python -m bench.studies.dropout {command} --out FILE`."
    return "\n".join([head, "", *table, "", f"Measured on {machine.summary()}."]) + "\n"


def ratio_text(over: Sequence[float], under: Sequence[float]) -> str:
    """How many times as large pairs of values are, with an interval where there are enough."""
    found = intervals.ratio(over, under)
    if found.interval is None:
        return f"{found.value:.3f} (no interval of {found.count})"
    return f"{found.value:.3f} [{found.interval[0]:.3f}, {found.interval[1]:.3f}] at {found.level:.1%}"


def deliver(text: str, out: Path | None) -> None:
    """Print a document and keep it."""
    if out is not None:
        write_atomically(out, text)
    click.echo(text)


out_option = click.option("--out", type=click.Path(path_type=Path), help="Markdown.")


@click.group()
def main() -> None:
    """What dropout from counters saves and costs."""


@main.command()
@click.option("--base", required=True, help="The revision to compare with.")
@click.option("--count", type=click.IntRange(1, 1000), default=12, show_default=True, help="Batches of each.")
@out_option
def batches(base: str, count: int, out: Path | None) -> None:
    """Bytes of a training batch, and seconds to assemble it on one core, in two revisions."""
    rows = []
    repository = Repository(PROJECT_ROOT)
    revision = repository.resolve(base, "--base")
    with (
        tempfile.TemporaryDirectory(prefix="twinbench-") as temporary,
        checkouts(repository, [revision], Path(temporary)) as (checkout,),
    ):
        for name, preset in WORKLOADS:
            before, after = (printed_by(BATCHES, place, name, preset, str(count)) for place in (checkout, PROJECT_ROOT))
            rows.append(
                (
                    f"{name} {preset}",
                    str(after["samples"]),
                    *(f"{found['bytes']:,}" for found in (before, after)),
                    *(f"{found['seconds']:.5f}" for found in (before, after)),
                )
            )
    columns = ("workload", "texts", f"bytes at {base}", "bytes now", f"seconds at {base}", "seconds now")
    deliver(document("A training batch and its assembly on one core", f"batches --base {base}", columns, rows), out)


@main.command("input")
@click.option("--repeats", type=click.IntRange(1, 20), default=5, show_default=True, help="Pairs of cells.")
@click.option("--steps", type=click.IntRange(2, 1000), default=3, show_default=True, help="Measured steps of each.")
@out_option
def of_input(repeats: int, steps: int, out: Path | None) -> None:
    """Throughput from disk by one loader over that of a batch on the device: 1 where the input costs nothing."""
    rows = []
    for name, preset in (("bert-6l", "full"), ("bert-base", "imdb")):
        for wing in KEYS:
            # by turns, so that a slow moment hits both
            pairs = [[measured(name, preset, wing, mode, steps) for mode in ("disk", "device")] for _ in range(repeats)]
            disk, device = ([pair[side].throughput for pair in pairs] for side in (0, 1))
            medians = (f"{intervals.median(each).value:.4g}" for each in (disk, device))
            waited = intervals.median([pair[0].waited for pair in pairs]).value
            rows.append(
                (f"{name} {preset}", framework(wing).title, *medians, ratio_text(disk, device), f"{waited:.2%}")
            )
            click.echo(" ".join(rows[-1]), err=True)
    columns = (
        "workload",
        "framework",
        "samples/s, disk",
        "samples/s, device",
        "ratio",
        "share of a step from disk waited",
    )
    command = f"input --repeats {repeats} --steps {steps}"
    what = f"Input from disk by one loader against a batch on the device, {TEXTS} text a step"
    deliver(document(what, command, columns, rows), out)


class Measured(NamedTuple):
    """What a cell has shown."""

    throughput: float  # samples per second
    waited: float  # share of the measured steps' seconds that they waited for their batches


def measured(name: str, preset: str, wing: str, mode: str, steps: int) -> Measured:
    """A cell, with the settings that `bench run` gives it by itself.

    Raises:
        UserError: it failed.
    """
    request = Request(
        frameworks=(wing,), replicas=(1,), workload=name, preset=preset, device="cpu", epochs=0, steps=steps,
        repeats=1, input_mode=mode, loader_workers=1, batch=TEXTS,
    )  # fmt: skip
    reporter = ConsoleReporter(Console(file=io.StringIO()))
    with (
        tempfile.TemporaryDirectory(prefix="twinbench-") as temporary,
        RunDirectory(Path(temporary) / "run", resume=False) as directory,
    ):
        (record,) = execute(start_run(directory, request, click.echo), directory, reporter)
    if record.throughput is None:
        raise UserError(f"{name} {preset}, {wing}, {mode}: {record.reason}")
    return Measured(record.throughput, sum(record.wait_seconds) / sum(record.step_seconds))


@main.command()
@click.option("--repeats", type=click.IntRange(2, 50), default=5, show_default=True, help="Processes of each wing.")
@click.option("--steps", type=click.IntRange(2, 1000), default=30, show_default=True, help="Pairs of steps in each.")
@out_option
def rate(repeats: int, steps: int, out: Path | None) -> None:
    """Seconds of a step of bert-6l quick that drops features over those of one that drops none."""
    rows = []
    for key, each in FRAMEWORKS.items():
        pairs = [printed_by(RATE, PROJECT_ROOT, "bert-6l", "quick", each.wing, str(steps)) for _ in range(repeats)]
        drops, none = ([intervals.median(pair[side]).value for pair in pairs] for side in (0, 1))
        rows.append((framework(key).title, ratio_text(drops, none)))
    command = f"rate --repeats {repeats} --steps {steps}"
    columns = ("framework", "step with dropout over step without")
    deliver(document("What dropout costs a step of bert-6l quick", command, columns, rows), out)


if __name__ == "__main__":
    main()
