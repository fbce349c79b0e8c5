"""`bench run`: train and time a workload in each framework at each number of replicas."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from bench.cli import options
from bench.host.locations import results_directory
from shared.errors import UserError
from shared.protocol import MODES, RUNTIMES

# what may be said anew when a run is resumed; everything else is in its run.json
RESUME_OPTIONS = {"resume", "timeout", "exclusive", "dry_run", "figures", *options.PYTHONS.values()}
ATTRIBUTION_REPEATS = 7  # each in fresh processes; from five on there are intervals


@click.command(context_settings={"show_default": True})
@options.columns
@options.replicas
@options.workload
@options.preset
@options.data
@options.vocab
@options.vectors
@options.pythons
@options.device
@click.option("--cores-per-replica", type=options.CORES, help="CPU cores per replica. Default: cores // most replicas.")
@options.precision
@options.arm
@options.input_mode
@click.option("--steps", type=options.POSITIVE, help="Measured steps, or calls. Default: the workload's.")
@click.option("--epochs", type=options.EPOCHS, help="Default: the workload's. 0: only the measured steps.")
@click.option("--batch", type=options.BATCH, help="Samples per replica. Default: the workload's.")
@click.option("--mode", type=click.Choice(MODES), default=MODES[0], help="infer: answer requests; train nothing.")
@click.option("--batches", type=options.BatchList(), help="Of --mode infer: samples per request, as 1,8,32.")
@click.option("--runtime", "runtimes", type=options.RuntimeList(), default=RUNTIMES[0], help="Of --mode infer: onnx.")
@click.option("--finetune", is_flag=True, help="Then train the classifier alone: the paper's second stage.")
@click.option("--repeats", type=options.REPEATS, default=1, help="Of every cell, interleaved; seeds count up.")
@click.option("--attribute", is_flag=True, help="Split a step into its parts: where a gap comes from. 7 repeats.")
@click.option("--turns/--apart", "in_turns", default=None, help="With --attribute. Default: --turns on CPU.")
@options.seed
@click.option("--loader-workers", type=options.LOADERS, help="That assemble batches, a replica.")
@click.option("--weights", type=click.Path(), help="safetensors file to start from. Default: seeded weights.")
@click.option("--keep-weights", is_flag=True, help="Leave every cell's final weights in its folder.")
@click.option("--timeout", type=options.TIMEOUT, help="Seconds without a sign of life.")
@click.option("--exclusive", is_flag=True, help="Stop before a cell that would share its cores or GPUs with others.")
@click.option("--tune/--no-tune", default=True, help="Tell the C allocator to keep its memory, in both frameworks.")
@click.option("--out", type=click.Path(path_type=Path), help="Default: a new folder under results/runs.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Finish a run; its settings hold.")
@click.option("--verify", is_flag=True, help="Run the equality ladder first where no certificate holds.")
@click.option("--figures/--no-figures", default=True, help="Draw the plots at the end.")
@click.option("--dry-run", is_flag=True, help="Print the plan; start nothing, write nothing.")
@click.pass_context
def command(ctx: click.Context, **settings: Any) -> int:
    """Train and time the workload in each framework at each number of replicas.

    Every cell is a fresh group of processes. At the end: a table, the plots, and a record per cell in the run's folder.
    Timings are of this machine as it is now: leave it alone meanwhile. A throughput on CPU says nothing about GPUs.
    """
    resume: Path | None = settings.pop("resume")
    pythons = options.take_pythons(settings)
    if resume is None:
        if settings["attribute"] and ctx.get_parameter_source("repeats") is ParameterSource.DEFAULT:
            settings["repeats"] = ATTRIBUTION_REPEATS
        return run_new(settings, pythons)
    extra = sorted(option for name, option in options.typed(ctx).items() if name not in RESUME_OPTIONS)
    if extra:
        raise UserError(f"--resume takes the run's own settings: leave out {', '.join(extra)}")
    return run_again(
        resume, pythons, settings["timeout"], settings["dry_run"], settings["exclusive"], settings["figures"]
    )


def run_new(settings: dict[str, Any], pythons: dict[str, str | None]) -> int:
    """Plan and run; the exit code."""
    from bench.records.directory import RunDirectory
    from bench.run.execution import ensure_certificate, plan_request, start_run
    from bench.run.plan import Request
    from bench.run.progress import ConsoleReporter

    out: Path | None = settings.pop("out")
    exclusive: bool = settings.pop("exclusive")
    figures: bool = settings.pop("figures")
    verify, dry_run, framework = settings.pop("verify"), settings.pop("dry_run"), settings.pop("framework")
    request = Request(frameworks=framework, pythons=pythons, **settings)
    reporter = ConsoleReporter()
    if dry_run:
        print_plan(plan_request(request, dry_run=True, say=reporter.message), set())
        return 0
    if out is None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        out = results_directory() / "runs" / f"{stamp}-{Path(request.workload).stem}"
    with RunDirectory(out, resume=False) as directory:
        plan = start_run(directory, request, reporter.message)
        if verify and request.arm == "matched" and not ensure_certificate(plan, reporter.message):
            reporter.message("the equality ladder broke: nothing was timed; `bench verify` shows which rung")
            return 1
        return run_plan(plan, directory, reporter, None, exclusive, figures)


def run_again(
    path: Path, named: dict[str, str | None], timeout: float | None, dry_run: bool, exclusive: bool, figures: bool
) -> int:
    """Run what is left of a run; the exit code."""
    from bench.records.directory import RunDirectory
    from bench.run.execution import finished_cells, resume_run
    from bench.run.progress import ConsoleReporter
    from shared.store import open_store

    with RunDirectory(path, resume=True) as directory:
        plan = resume_run(directory, named)
        finished = finished_cells(plan, directory.records())
        if dry_run:
            print_plan(plan, finished, directory.path)
            return 0
        if open_store(plan.store.path, checksums=None).digest != plan.store.digest:
            raise UserError(f"{plan.store.path}: not the pages this run began with; start a new run")
        return run_plan(plan, directory, ConsoleReporter(), timeout, exclusive, figures)


def run_plan(plan: Any, directory: Any, reporter: Any, timeout: float | None, exclusive: bool, figures: bool) -> int:
    """Run the cells, draw the plots, print the table; 0 where all cells are ok, else 1."""
    from bench.attribution.show import print_attribution
    from bench.records.kinds import inferences, tabled
    from bench.run.execution import execute, finish
    from bench.run.expected import earlier_records, expected
    from bench.show.fairness import diff, verdict_line
    from bench.show.inference import print_table as print_latencies
    from bench.show.tables import print_table

    workload = plan.workload
    reporter.message(
        f"{workload.name}, preset {workload.preset}, on {plan.device_name} ({plan.cells[0].device}); "
        f"data: {plan.store.name}; run: {directory.path}"
    )
    for note in plan.notes:
        reporter.message(f"note: {note}")
    reporter.expect(expected(plan, earlier_records(results_directory() / "runs", [directory.path])))
    records = execute(plan, directory, reporter, timeout, exclusive)
    # everything is on disk before the first line is printed: whoever reads the output may leave (`| head`)
    drawn = finish(directory, records, reporter.message, figures)
    if answered := inferences(records):
        print_latencies(answered)
    else:
        print_table(records)
        print_attribution(records)
    click.echo(f"{verdict_line(diff(answered or tabled(records)))}; see {directory.path / 'summary.md'}")
    for path in drawn:
        click.echo(path)
    click.echo(f"records: {directory.path / 'records'}")
    return 0 if all(record.status == "ok" for record in records) else 1


PLAN_COLUMNS = ("cell", "replicas", "cores", "threads", "global batch", "epochs", "steps", "measured", "expected")


def print_plan(plan: Any, finished: set[str], directory: Path | None = None) -> None:
    """The plan as a table on standard output, with the time that it should take.

    Args:
        finished: the ids of the cells that need not run again.
        directory: of the run, where it is resumed: its records tell too.
    """
    from bench.run.expected import earlier_records, expected, summed
    from bench.run.progress import clock
    from bench.terminal import grids
    from shared.families import family_of

    times = expected(plan, earlier_records(results_directory() / "runs", [directory] if directory else []))
    workload, first = plan.workload, plan.cells[0]
    rows = []
    for cell in plan.cells:
        groups = " ".join(",".join(map(str, group)) for group in cell.cores) or "-"
        sizes = ",".join(map(str, cell.batches))
        measured = f"batches {sizes}" if sizes else str(workload.measure.measured_steps)
        measured = "finished" if cell.cell_id in finished else measured
        numbers = (cell.threads_per_replica, cell.global_batch, cell.epochs, plan.total_steps(cell))
        seconds = times[cell.cell_id].seconds
        shown = "-" if cell.cell_id in finished else "?" if seconds is None else clock(seconds)
        rows.append([cell.cell_id, cell.replicas, groups, *numbers, measured, shown])
    console = grids.stdout()
    grids.print_grid(console, PLAN_COLUMNS, rows)
    lines = [
        f"workload: {workload.name}, preset {workload.preset}, spec {workload.spec_hash}",
        f"device: {first.device} ({plan.device_name}); tuned environment: {'yes' if plan.tune else 'no'}",
        f"data: {plan.store.name} ({plan.store.digest}), {family_of(workload).describe(workload).sample}, "
        f"{'/'.join(str(count) for count in plan.store.split_sizes.values())} train/val/test: {plan.store.path}",
        "expected time: " + summed((times[cell.cell_id] for cell in plan.cells if cell.cell_id not in finished), clock),
        *(f"note: {note}" for note in plan.notes),
    ]
    grids.say(console, lines)
