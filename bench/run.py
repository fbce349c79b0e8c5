"""One call of `bench run`: plan, run the cells one after another, keep each record as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import certificates, machine, tables
from bench.environment import recorded_environment, worker_environment
from bench.launch import Limits, run_cell
from bench.plan import Plan, Request, make_plan
from bench.processes import termination_as_interrupt
from bench.progress import Reporter
from bench.records import Record, write_atomically, write_record
from bench.resolve import check_request, check_weights, fit_to_pages, resolve_device, resolve_workload
from bench.run_directory import ENVIRONMENT, PLAN, RUN_SCHEMA, RunDirectory
from bench.stores import resolve_pages
from bench.summary import make_record
from shared.errors import UserError
from shared.protocol import Cell
from shared.spec import Workload


def plan_request(request: Request, dry_run: bool, say: Callable[[str], None]) -> Plan:
    """The plan of a request; makes the synthetic or resized store where one is needed (never in a dry run).

    Raises:
        UserError: whatever the user got wrong.
    """
    check_request(request)
    device, gpus = resolve_device(request)
    workload = resolve_workload(request, device)
    pages = resolve_pages(request.data, workload, dry_run, say, request.vocab)
    workload, epochs, notes = fit_to_pages(request, workload, pages)
    check_weights(request, workload)
    return make_plan(request, workload, pages, epochs, gpus, notes)


def start_run(directory: RunDirectory, request: Request, say: Callable[[str], None]) -> Plan:
    """Plan a new run and write down what was asked for, before anything runs."""
    plan = plan_request(request, dry_run=False, say=say)
    directory.write_json(ENVIRONMENT, {"schema": RUN_SCHEMA, **machine.describe()})
    content = {"schema": RUN_SCHEMA, "run_id": directory.path.name, "request": asdict(request)}
    directory.write_json(PLAN, content | {"plan": plan.to_json()})
    return in_directory(plan, directory.path)


def resume_run(directory: RunDirectory) -> Plan:
    """The plan of a run that was started before.

    Raises:
        UserError: damaged, of another version, or started on another machine.
    """
    if directory.read_json(ENVIRONMENT).get("fingerprint") != machine.fingerprint():
        raise UserError(f"{directory.path}: started on other hardware; start a new run, records of two do not mix")
    content = directory.read_json(PLAN)
    try:
        return Plan.from_json(content["plan"], directory.path)
    except (KeyError, TypeError) as error:
        raise UserError(f"{directory.path / PLAN}: damaged ({error}); start a new run") from None


def in_directory(plan: Plan, path: Path) -> Plan:
    """The plan with each cell given its place in a run's directory."""
    cells = tuple(replace(cell, directory=str(path / "cells" / cell.cell_id)) for cell in plan.cells)
    return replace(plan, cells=cells)


def limits_for(plan: Plan, timeout: float | None) -> Limits:
    """When to give a cell up; `timeout` (seconds without an event) is the user's."""
    chosen = timeout or plan.timeout
    limits = Limits(evaluation_samples=max(plan.pages.split_sizes.values()))
    return limits if chosen is None else replace(limits, start=chosen, first_step=chosen, steady=chosen)


def run_context(plan: Plan, directory: RunDirectory) -> dict[str, Any]:
    """The fields of a record that are the same for every cell of a run."""
    certificate = certificates.find(plan.workload) if plan.cells[0].arm == "matched" else None
    return {
        "run_id": directory.path.name,
        "device_name": plan.device_name,
        "data_name": plan.pages.name,
        "data_digest": plan.pages.digest,
        "certificate": "verified" if certificate else "unverified",
        "certificate_id": certificate.id if certificate else None,
    }


def execute(plan: Plan, directory: RunDirectory, reporter: Reporter, timeout: float | None = None) -> list[Record]:
    """Run the cells that have no `ok` record yet; every record is on disk before the next cell starts.

    Returns:
        the records of all cells of the plan that have one, in its order.

    Raises:
        KeyboardInterrupt: with the line that says how to resume; no process is left.
    """
    found = {record.cell_id: record for record in directory.records()}
    finished = {cell_id for cell_id, record in found.items() if record.status == "ok"}
    waiting = [cell for cell in plan.cells if cell.cell_id not in finished]
    context, limits = run_context(plan, directory), limits_for(plan, timeout)
    resume = f"`bench run --resume {directory.path}`"
    try:
        with termination_as_interrupt(), reporter:
            for position, cell in enumerate(waiting, start=1):
                reporter.begin(position, len(waiting), cell, plan.total_steps(cell))
                record = run_and_record(plan, cell, context, limits, reporter)
                write_record(directory.path, record)
                found[cell.cell_id] = record
                reporter.end(record)
    except KeyboardInterrupt:
        kept = sum(record.status == "ok" for record in found.values())
        raise KeyboardInterrupt(f"{kept} of {len(plan.cells)} cells are finished; continue with {resume}") from None
    return [found[cell.cell_id] for cell in plan.cells if cell.cell_id in found]


def run_and_record(plan: Plan, cell: Cell, context: dict[str, Any], limits: Limits, reporter: Reporter) -> Record:
    """Run one cell to its end, however it ends, and sum it up."""
    variables = worker_environment(cell, plan.tune, plan.gpu_selectors[: cell.replicas])
    outcome = run_cell(cell, variables, limits, reporter.update)
    return make_record(cell, outcome, recorded_environment(variables), **context)


def ensure_certificate(workload: Workload, say: Callable[[str], None]) -> bool:
    """Run the ladder where no certificate holds; False where the ladder broke."""
    if certificates.find(workload) is not None:
        return True
    from bench.verify.ladder import certify

    say("no certificate holds for this workload, code and versions: running the equality ladder first")
    return bool(certify(workload, say).passed)


def finish(directory: RunDirectory, records: list[Record], say: Callable[[str], None]) -> list[Path]:
    """Write the tables and draw the plots; a plot that fails loses nothing of the run.

    Returns:
        the plots' paths.
    """
    write_atomically(directory.path / "summary.md", tables.markdown(records))
    write_atomically(directory.path / "records.csv", tables.csv(records))
    latest = directory.path.parent / "latest"
    if directory.path.parent.name == "runs" and (latest.is_symlink() or not latest.exists()):
        with suppress(OSError):
            latest.unlink(missing_ok=True)
            latest.symlink_to(directory.path.name)
    try:
        from bench.plots import plot_run

        return plot_run(directory.path)
    except Exception as error:  # the records are what the run is for; figures can be drawn again from them
        say(f"no plots: {error.__class__.__name__}: {error}; try again with `bench plot {directory.path}`")
        return []
