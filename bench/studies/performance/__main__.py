"""`python -m bench.studies.performance`: run the contestants round by round, one at a time."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from bench.cells.launch import LOG
from bench.cli import INTERRUPTED, fail
from bench.host import machine
from bench.host.locations import results_directory
from bench.host.processes import termination_as_interrupt
from bench.host.worker_environment import recorded_environment
from bench.studies.performance import report
from bench.studies.performance.contestants import (
    Run,
    Settings,
    make_cell,
    make_store,
    run,
    run_loop,
    workload_of,
)
from bench.verify.samples import sample_size
from shared import families, spec
from shared.contest import Contest, Contestant
from shared.errors import UserError
from shared.frameworks import KEYS

WORKLOADS = [families.family(name).contest.workload for name in families.NAMES]
POSITIVE = click.IntRange(min=1)


def chosen(only: str | None, contest: Contest) -> tuple[Contestant, ...]:
    """The contestants of `--only` of a contest, in the order of the table; None: all.

    Raises:
        UserError: a name that the table does not have.
    """
    if only is None:
        return contest.contestants
    asked = [name.strip() for name in only.split(",")]
    known = [contestant.name for contestant in contest.contestants]
    for name in asked:
        if name not in known:
            raise UserError(f"--only: unknown contestant {name!r}; known: {', '.join(known)}")
    return tuple(contestant for contestant in contest.contestants if contestant.name in asked)


def in_order(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """The order of a round, from 0: turned round every other time, so that drift favours nobody (A B C C B A)."""
    return list(contestants if number % 2 == 0 else reversed(contestants))


def run_rounds(contestants: Sequence[Contestant], settings: Settings, out: Path, command: str) -> list[dict[str, Run]]:
    """Run all rounds; the report is written anew after each of them.

    Raises:
        UserError: impossible settings, or a report that could not be written.
    """
    workload = workload_of(settings)
    require_writable(out)
    environment = machine.describe() | {"inherited": recorded_environment({})}
    rounds: list[dict[str, Run]] = []
    with tempfile.TemporaryDirectory(prefix="twinbench-") as temporary:
        folder = Path(temporary)
        store = make_store(settings, folder)
        for number in range(settings.rounds):
            runs = {}
            for contestant in in_order(contestants, number):
                done = run(contestant, make_cell(contestant, workload, store, folder))
                speed = "failed" if done.samples_per_second is None else f"{done.samples_per_second:.2f} samples/s"
                click.echo(f"round {number + 1} of {settings.rounds}: {contestant.name}: {speed}", err=True)
                runs[contestant.name] = done
            rounds.append({contestant.name: runs[contestant.name] for contestant in contestants})
            report.write(out, rounds, settings, environment, command)
    report.show(rounds, settings, environment)
    return rounds


def require_writable(out: Path) -> None:
    """Make the report's folder; better to fail now than after the first round.

    Raises:
        UserError: it cannot be made, or the report would take a folder's place.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror or error}; choose another place") from None
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f"--out {out}: not a file that can be written; choose another place")


def profile(framework: str, settings: Settings) -> None:
    """Print the operators that take most of a step of a wing.

    Raises:
        UserError: the wing could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="twinbench-") as temporary:
        folder = Path(temporary)
        contestant = Contestant(f"{framework}-profile", framework, "profile")
        cell = make_cell(contestant, workload_of(settings), make_store(settings, folder), folder)
        failure = run_loop(contestant, cell)
        if failure:
            raise UserError(f"--profile {framework}: {failure}")
        click.echo((Path(cell.directory) / LOG).read_text(encoding="utf-8"))


@click.command(context_settings={"show_default": True})
@click.option("--rounds", type=POSITIVE, default=5, help="Runs of every contestant.")
@click.option("--steps", type=POSITIVE, default=6, help="Measured steps of a run.")
@click.option("--warmup", type=POSITIVE, default=3, help="Steps before them; the first two let the heap grow.")
@click.option("--workload", type=click.Choice(WORKLOADS), default=WORKLOADS[0])
@click.option("--size", type=click.IntRange(8, 2048), help="Pixels or tokens.  [default: the workload's]")
@click.option("--batch", type=POSITIVE, help="Samples per step.  [default: the contest's]")
@click.option("--out", type=click.Path(path_type=Path), help="[default: results/reference/performance-WORKLOAD.json]")
@click.option("--only", metavar="NAME,...", help="These contestants only.")
@click.option("--profile", "profiled", type=click.Choice(KEYS), help="Print a wing's top operators instead.")
def command(
    rounds: int,
    steps: int,
    warmup: int,
    workload: str,
    size: int | None,
    batch: int | None,
    out: Path | None,
    only: str | None,
    profiled: str,
) -> None:
    """Time the wings against the libraries they stand beside, and against their own step in a bare loop.

    One replica over all cores of this machine's CPU, one contestant at a time. Exit code 1: a
    contestant failed or a target was missed. Not for machines where anything else runs.
    """
    published = spec.load(workload)
    contest = families.family_of(published).contest
    settings = Settings(workload, rounds, steps, warmup, size or sample_size(published), batch or contest.batch)
    target = out or results_directory() / "reference" / f"performance-{workload}.json"
    line = shlex.join(["python", "-m", "bench.studies.performance", *sys.argv[1:]])
    try:
        with termination_as_interrupt():
            if profiled:
                profile(profiled, settings)
                return
            finished = run_rounds(chosen(only, contest), settings, target, line)
    except UserError as error:
        fail(f"error: {error}", 2)
    except KeyboardInterrupt:
        fail(f"interrupted; the rounds that were over are in {target}", INTERRUPTED)
    sys.exit(0 if report.holds(finished, contest) else 1)


if __name__ == "__main__":
    command()
