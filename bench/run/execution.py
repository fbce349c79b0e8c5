"""One call of `bench run`: plan, run the cells one after another, keep each record as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.attribution.show import markdown as attribution_markdown
from bench.attribution.show import write as write_attribution
from bench.cells.launch import Limits, run_cell
from bench.cells.summary import make_record
from bench.host import machine
from bench.host.files import write_atomically
from bench.host.interpreters import versions_of
from bench.host.processes import termination_as_interrupt
from bench.host.worker_environment import recorded_environment, worker_environment
from bench.monitors.exclusive import disturbance_text, refuse_if_busy
from bench.records import certificates
from bench.records.directory import ENVIRONMENT, PLAN, RUN_SCHEMA, RunDirectory
from bench.records.kinds import inferences, ran_together
from bench.records.record import Record, write_record
from bench.run import preflight
from bench.run.attribution import attributed, check_attribution, one_width
from bench.run.in_turns import run_and_record_in_turns
from bench.run.plan import Plan, Request, make_plan
from bench.run.plan_file import read_plan
from bench.run.progress import Reporter
from bench.run.resolve import (
    check_request,
    check_weights,
    check_weights_file,
    choose_interpreters,
    fit_to_store,
    pythons_of,
    resolve_device,
    resolve_workload,
    resumed_interpreters,
)
from bench.run.stores import resolve_store
from bench.show import inference, tables
from bench.show.disturbances import disturbances
from shared.errors import UserError
from shared.protocol import Cell
from shared.spec import Workload

WEIGHTS = "weights.safetensors"  # of a cell, in its folder, where a run keeps them
ACCURACY_KIND = "accuracy"  # in run.json of the other command
COLUMNS = TypeAdapter(dict[str, dict[str, str | None]])  # of environment.json: column to versions and interpreter


def plan_request(request: Request, dry_run: bool, say: Callable[[str], None]) -> Plan:
    """The plan of a request; makes the synthetic or resized store where one is needed (never in a dry run).

    Raises:
        UserError: whatever the user got wrong.
    """
    check_request(request)
    check_attribution(request)
    device, gpus = resolve_device(request)
    workload = resolve_workload(request, device)
    choices = choose_interpreters(request)
    if request.weights is not None:
        check_weights_file(request.weights)
    store = resolve_store(request.data, workload, dry_run, say, request.vocab, request.vectors)  # may make one
    workload, epochs, notes = fit_to_store(request, workload, store)
    if request.attribute:
        workload, epochs = one_width(workload, notes), 0
    check_weights(request, workload)
    notes += [choice.text() for choice in choices] + machine.revision_notes()
    plan = make_plan(request, workload, store, epochs, gpus, notes, pythons_of(choices))
    return attributed(plan, request.in_turns) if request.attribute else plan


def start_run(directory: RunDirectory, request: Request, say: Callable[[str], None]) -> Plan:
    """Plan a new run and write down what was asked for, before anything runs."""
    plan = plan_request(request, dry_run=False, say=say)
    preflight.check(plan.sets)  # what cannot run leaves no plan behind; `execute` says what it notes
    columns = {
        choice.column.name: {**versions_of(choice.python), "interpreter": choice.recorded_source}
        for choice in choose_interpreters(request)
    }
    directory.write_json(ENVIRONMENT, {"schema": RUN_SCHEMA, **machine.describe(), "columns": columns})
    content = {"schema": RUN_SCHEMA, "run_id": directory.path.name, "request": asdict(request)}
    directory.write_json(PLAN, content | {"plan": plan.to_json()})
    return in_directory(plan, directory.path)


def resume_run(directory: RunDirectory, named: Mapping[str, str | None]) -> Plan:
    """The plan of a run that was started before; its notes say what it reads that lies elsewhere.

    Args:
        named: framework to the interpreter that the user named now; None: none.

    Raises:
        UserError: damaged, of another version, or started on another machine or with other versions of the frameworks.
    """
    environment = directory.read_json(ENVIRONMENT)
    if environment.get("fingerprint") != machine.fingerprint():
        raise UserError(f"{directory.path}: started on other hardware; start a new run, records of two do not mix")
    content = directory.read_json(PLAN)
    if content.get("kind") == ACCURACY_KIND:
        raise UserError(f"{directory.path}: a run of `bench accuracy`; `bench accuracy --resume` continues it")
    plan = read_plan(content.get("plan", {}), directory.path)
    try:
        columns = COLUMNS.validate_python(environment.get("columns", {}))
    except ValidationError:
        raise UserError(f"{directory.path / ENVIRONMENT}: columns: damaged; start a new run") from None
    plan, lines = resumed_interpreters(plan, columns, named)
    check_weights(Request(weights=plan.cells[0].weights, seed=plan.cells[0].seed), plan.workload)
    lines.append(f"documents are read from {plan.store.path}")
    if plan.cells[0].weights is not None:
        lines.append(f"initial weights are read from {plan.cells[0].weights}")
    return in_directory(replace(plan, notes=tuple(dict.fromkeys([*plan.notes, *lines]))), directory.path)


def in_directory(plan: Plan, path: Path) -> Plan:
    """The plan with each cell given its place in a run's directory, and for its weights where they are kept."""
    cells = []
    for cell in plan.cells:
        folder = path / "cells" / cell.cell_id
        weights = str(folder / WEIGHTS) if plan.keep_weights else None
        cells.append(replace(cell, directory=str(folder), checkpoint=weights))
    return replace(plan, cells=tuple(cells))


def limits_for(plan: Plan, timeout: float | None) -> Limits:
    """When to give a cell up; `timeout` (seconds without an event) is the user's."""
    chosen = timeout or plan.timeout
    limits = Limits(evaluation_samples=max(plan.store.split_sizes.values()))
    if chosen is None:
        return limits
    return replace(limits, start=chosen, first_step=chosen, steady=chosen, teardown=min(limits.teardown, chosen))


def run_context(plan: Plan, directory: RunDirectory, cell: Cell) -> dict[str, Any]:
    """The fields of a cell's record that the run knows; its column's versions may have no certificate."""
    pairs = certificates.pairs_of(plan.cells)
    certificate = certificates.find_of_cell(cell, pairs) if cell.arm == "matched" else None
    return {
        "kind": "attribution" if any(each.parts for each in plan.cells) else "plain",
        "run_id": directory.path.name,
        "device_name": plan.device_name,
        "data_name": plan.store.name,
        "num_documents": sum(plan.store.split_sizes.values()),
        "data_digest": plan.store.digest,
        "data_origin": plan.store.origin,
        "certificate": "verified" if certificate else "unverified",
        "certificate_id": certificate.id if certificate else None,
    }


def execute(
    plan: Plan, directory: RunDirectory, reporter: Reporter, timeout: float | None = None, exclusive: bool = False
) -> list[Record]:
    """Run the cells that have no `ok` record yet; every record is on disk before the next cell starts.

    Cells that take turns are run, and run again, as a whole.

    Args:
        exclusive: stop before a cell that would share its cores or GPUs.

    Returns:
        the records of all cells of the plan that have one, in its order.

    Raises:
        UserError: `exclusive`, and others are at work.
        KeyboardInterrupt: with the line that says how to resume; no process is left.
    """
    found = {record.cell_id: record for record in directory.records()}
    finished = finished_cells(plan, found.values())
    waiting = [cells for cells in plan.sets if cells[0].cell_id not in finished]
    limits = limits_for(plan, timeout)
    reporter.queue(waiting)
    resume, warned = f"`bench run --resume {directory.path}`", False
    for note in preflight.check(waiting):
        reporter.message(f"note: {note}")
    try:
        with termination_as_interrupt(), reporter:
            for position, cells in enumerate(waiting, start=1):
                first = cells[0]
                reporter.begin(position, len(waiting), first, sum(map(plan.total_steps, cells)), len(cells) - 1)
                if exclusive:
                    selectors = plan.gpu_selectors[: first.replicas] if first.device == "cuda" else ()
                    refuse_if_busy(first.cell_id, selectors, resume)
                for record in run_set(plan, directory, cells, limits, reporter):
                    write_record(directory.path, record)
                    found[record.cell_id] = record
                    reporter.end(record)
                    if not warned and record.status == "ok" and (found_out := disturbances(record)):
                        reporter.message(f"note: {record.cell_id}: {'; '.join(found_out)}{advice(record)}")
                        warned = True
    except KeyboardInterrupt:
        kept = sum(record.status == "ok" for record in found.values())
        raise KeyboardInterrupt(f"{kept} of {len(plan.cells)} cells are finished; continue with {resume}") from None
    return [found[cell.cell_id] for cell in plan.cells if cell.cell_id in found]


def advice(record: Record) -> str:
    """What keeps others away, where others were there."""
    return "; --exclusive refuses to start beside others" if disturbance_text(record.usage) else ""


def finished_cells(plan: Plan, records: Iterable[Record]) -> set[str]:
    """The ids of the cells that need not be run again: those with an `ok` record, of cells that take turns all or none.

    Their records must be of one attempt: turns are compared side by side.
    """
    ok = {record.cell_id: record for record in records if record.status == "ok"}
    finished: set[str] = set()
    for cells in plan.sets:
        own = [ok[cell.cell_id] for cell in cells if cell.cell_id in ok]
        if len(own) == len(cells) and (len(own) == 1 or ran_together(own)):
            finished |= {cell.cell_id for cell in cells}
    return finished


def run_set(
    plan: Plan, directory: RunDirectory, cells: Sequence[Cell], limits: Limits, reporter: Reporter
) -> list[Record]:
    """Run one cell, or the cells that take turns, to their ends."""
    contexts = [run_context(plan, directory, cell) for cell in cells]
    if len(cells) > 1:
        return run_and_record_in_turns(plan, cells, contexts, limits, reporter)
    return [run_and_record(plan, cells[0], contexts[0], limits, reporter)]


def run_and_record(plan: Plan, cell: Cell, context: dict[str, Any], limits: Limits, reporter: Reporter) -> Record:
    """Run one cell to its end, however it ends, and sum it up."""
    variables = worker_environment(cell, plan.tune, plan.gpu_selectors[: cell.replicas])
    outcome = run_cell(cell, variables, limits, reporter.update)
    return make_record(cell, outcome, recorded_environment(variables), **context)


def ensure_certificate(plan: Plan, say: Callable[[str], None]) -> bool:
    """Run the ladder for a plan's workload; see `certified`."""
    return certified(plan.workload, plan.cells, say)


def certified(workload: Workload, cells: Sequence[Cell], say: Callable[[str], None]) -> bool:
    """Run the ladder for each pair of interpreters for which no certificate holds; False where it broke for one.

    Args:
        cells: those of the workload that are to run.
    """
    for pair in certificates.pairs_of(cells):
        if certificates.find(workload, pair) is None:
            from bench.verify.ladder import certify

            versions = ", ".join(f"{name} {version}" for name, version in certificates.framework_versions(pair).items())
            say(f"no certificate holds for this workload, code and {versions}: running the equality ladder first")
            if not certify(workload, say, pythons=pair).passed:
                return False
    return True


def finish(
    directory: RunDirectory, records: list[Record], say: Callable[[str], None], figures: bool = True
) -> list[Path]:
    """Write the tables and draw the plots; a plot that fails loses nothing of the run.

    Returns:
        the plots' paths.
    """
    summary = inference.markdown(records) if inferences(records) else None
    summary = summary or tables.markdown(records, attribution_markdown(records))
    write_atomically(directory.path / "summary.md", summary)
    write_atomically(directory.path / "records.csv", tables.csv(records))
    write_attribution(directory.path, records)
    latest = directory.path.parent / "latest"
    if directory.path.parent.name == "runs" and (latest.is_symlink() or not latest.exists()):
        with suppress(OSError):
            latest.unlink(missing_ok=True)
            latest.symlink_to(directory.path.name)
    if not figures:
        return []
    try:
        from bench.run.figures import plot_run

        return plot_run(directory.path)
    except Exception as error:  # the records are what the run is for; figures can be drawn again from them
        say(f"no plots: {error.__class__.__name__}: {error}; try again with `bench plot {directory.path}`")
        return []
