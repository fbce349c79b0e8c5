"""One call of `bench accuracy`: stage 1, then split by split every member and the ensembles of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bench.accuracy.combine import ensemble_records
from bench.accuracy.outcome import cell_record, skipped_record
from bench.accuracy.plan import AccuracyPlan, Job, checkpoint_path, make_accuracy_plan, split_jobs, stage1_jobs
from bench.accuracy.predictions import read_predictions
from bench.accuracy.protocol import protocol_names
from bench.accuracy.request import AccuracyRequest
from bench.accuracy.results import KIND, AccuracyRecord, in_order, read_record, write_record
from bench.cells.launch import Limits, run_cell
from bench.host import machine
from bench.host.files import write_atomically
from bench.host.processes import termination_as_interrupt
from bench.host.worker_environment import recorded_environment, worker_environment
from bench.records.bounds import first_problem
from bench.records.directory import ENVIRONMENT, NO_SPACE, PLAN, RUN_SCHEMA, RunDirectory
from bench.records.record import record_files
from bench.run import preflight
from bench.run.progress import ConsoleReporter
from bench.terminal.printable import printable
from shared.errors import UserError
from shared.outside import read_array
from shared.protocol import Cell

Say = Callable[[str], None]
REQUEST = TypeAdapter(AccuracyRequest)


class AccuracyReporter(ConsoleReporter):
    """The progress of a run, with a line of accuracy a cell."""

    def name(self, cell: Cell) -> str:
        """Its place in the protocol says more of a member than its framework."""
        return printable(cell.cell_id)

    def end_result(self, record: AccuracyRecord) -> None:
        """Leave a line about the cell that ended."""
        test = record.accuracy.get("test")
        figure = f", {100 * test:.2f} % of the test documents" if test is not None else ""
        self.ended(record.result_id, record.status, figure, record.wall_seconds, record.reason, record.log)


def start_run(directory: RunDirectory, request: AccuracyRequest, say: Say) -> AccuracyPlan:
    """Plan a new run and write down what was asked for, before anything runs."""
    plan = make_accuracy_plan(request, say)
    for note in machine.revision_notes():
        say(f"note: {note}")
    directory.write_json(ENVIRONMENT, {"schema": RUN_SCHEMA, **machine.describe()})
    content = {"schema": RUN_SCHEMA, "kind": KIND, "run_id": directory.path.name, "request": asdict(request)}
    directory.write_json(PLAN, content | {"identity": plan.identity()})
    return plan


def resume_run(directory: RunDirectory, say: Say) -> AccuracyPlan:
    """The plan of a run that was started before.

    Raises:
        UserError: another kind of run, damaged, started on other hardware, or with documents or workloads that have
            changed since.
    """
    content = directory.read_json(PLAN)
    if content.get("kind") != KIND:
        raise UserError(f"{directory.path}: not a run of `bench accuracy`; `bench run --resume` continues it")
    if directory.read_json(ENVIRONMENT).get("fingerprint") != machine.fingerprint():
        raise UserError(f"{directory.path}: started on other hardware; start a new run, records of two do not mix")
    try:
        request = REQUEST.validate_python(content.get("request"))
    except ValidationError as error:
        raise UserError(f"{directory.path / PLAN}: request: {first_problem(error)}; start a new run") from None
    if request.protocol not in protocol_names():
        raise UserError(f"{directory.path / PLAN}: no protocol {request.protocol[:50]!r}; start a new run")
    for option, name in named_elsewhere(request).items():
        say(f"note: {option} of the run: {name}")
    plan = make_accuracy_plan(request, say)
    if plan.identity() != content.get("identity"):
        raise UserError(f"{directory.path}: its documents or workloads have changed since it began; start a new run")
    return plan


def named_elsewhere(request: AccuracyRequest) -> dict[str, str]:
    """Option to the file, folder or hub's name that a run reads; they are read alone, by readers that run nothing."""
    names = {
        "--data": request.data, "--pretrain": request.pretrain, "--vocab": request.vocabulary,
        "--vectors": request.vectors, "--image-weights": request.image_weights, "--text-weights": request.text_weights,
        "--layout-weights": request.layout_weights,
    }  # fmt: skip
    return {option: name for option, name in names.items() if name is not None}


class Execution:
    """A run that is going on: what is finished, and what comes next."""

    def __init__(self, plan: AccuracyPlan, directory: Path, reporter: AccuracyReporter) -> None:
        self.plan, self.directory, self.reporter = plan, directory, reporter
        self.found = {record.result_id: record for record in readable_records(directory)}
        self.first = stage1_jobs(plan, directory)
        self.by_split = [split_jobs(plan, directory, split) for split in range(plan.protocol.num_splits)]
        jobs = [*self.first, *(job for jobs in self.by_split for job in jobs)]
        self.waiting = [job.cell.cell_id for job in jobs if not self.is_finished(job)]
        self.num_jobs = len(jobs)
        self.jobs = [job for job in jobs if job.cell.cell_id in self.waiting]
        reporter.queue([[job.cell] for job in self.jobs])

    def is_finished(self, job: Job) -> bool:
        """Whether a cell has ended well and what others need of it is still there."""
        record = self.found.get(job.cell.cell_id)
        left = Path(job.cell.checkpoint) if job.cell.checkpoint else job.cell.predictions_path(0)
        return record is not None and record.status == "ok" and left.is_file()

    def keep(self, record: AccuracyRecord) -> None:
        """Write a record; it is on disk before anything else starts."""
        write_record(self.directory, record)
        self.found[record.result_id] = record

    def run(self) -> None:
        """Everything that is not finished yet."""
        for job in self.first:
            self.run_job(job)
        for split, jobs in enumerate(self.by_split):
            for job in jobs:
                self.run_job(job)
            self.combine(split, jobs)

    def run_job(self, job: Job) -> None:
        """Run one cell to its end, however it ends, unless it is finished or what it starts from is not there."""
        cell = job.cell
        if cell.cell_id not in self.waiting:
            return
        position = self.waiting.index(cell.cell_id) + 1
        stage1 = self.found.get(f"{cell.framework}-image-pretrain")
        missing = job.split is not None and cell.weights == str(checkpoint_path(self.directory, cell.framework))
        if missing and (stage1 is None or stage1.status != "ok"):
            self.keep(skipped_record(self.plan, job, self.directory.name, "stage 1 left no weights"))
            return
        self.reporter.begin(position, len(self.waiting), cell, job.total_steps)
        variables = worker_environment(cell, True, self.plan.gpu_selectors[: cell.replicas])
        limits = Limits(evaluation_samples=len(read_array(job.splits_path)))
        outcome = run_cell(cell, variables, limits, self.reporter.update)
        record = cell_record(self.plan, job, outcome, self.directory.name, recorded_environment(variables))
        self.keep(record)
        self.reporter.end_result(record)

    def combine(self, split: int, jobs: list[Job]) -> None:
        """The ensembles of a split, from what its members left."""
        codes = self.plan.codes(split)
        members = [self.found[job.cell.cell_id] for job in jobs]
        probabilities = {}
        for job in jobs:
            if self.found[job.cell.cell_id].status == "ok":
                probabilities[job.cell.cell_id] = read_predictions(job.cell, codes, len(self.plan.store.classes))
        for record in ensemble_records(members, probabilities, self.plan.store.labels, codes):
            self.keep(record)


def readable_records(directory: Path) -> list[AccuracyRecord]:
    """Records so far; one that cannot be read is passed over: its cell runs again."""
    found = []
    for path in record_files(directory):
        with suppress(UserError):
            found.append(read_record(path))
    return found


def execute(plan: AccuracyPlan, directory: Path, reporter: AccuracyReporter) -> list[AccuracyRecord]:
    """Run the cells that have not ended well yet.

    Returns:
        all records of the run.

    Raises:
        KeyboardInterrupt: with the line that says how to resume; no process is left.
        UserError: the disk is full, or what the cells need is not there; what is finished is kept.
    """
    resume = f"`bench accuracy --resume {directory}`"
    execution = Execution(plan, directory, reporter)
    for note in preflight.check([job.cell] for job in execution.jobs):
        reporter.message(f"note: {note}")
    try:
        with termination_as_interrupt(), reporter:
            execution.run()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{kept(execution)} cells are finished; continue with {resume}") from None
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        raise UserError(
            f"{directory}: {error.strerror}; {kept(execution)} cells are finished: make room, {resume}"
        ) from None
    return in_order(execution.found.values())


def kept(execution: Execution) -> str:
    """How many cells of how many have ended well."""
    cells = [record for record in execution.found.values() if record.member != "ensemble"]
    return f"{sum(record.status == 'ok' for record in cells)} of {execution.num_jobs}"


def finish(directory: Path, records: list[AccuracyRecord], say: Say) -> list[Path]:
    """Write the table and draw the figures; a figure that fails loses nothing of the run.

    Returns:
        the figures' paths.
    """
    from bench.accuracy.tables import markdown

    write_atomically(directory / "summary.md", markdown(records))
    try:
        from bench.accuracy.figures import plot_accuracy
        from bench.run.figures import FIGURES_FOLDER

        return plot_accuracy(records, directory / FIGURES_FOLDER)
    except Exception as error:  # the records are what the run is for; figures can be drawn again from them
        say(f"no figures: {error.__class__.__name__}: {error}; try again with `bench plot {directory}`")
        return []
