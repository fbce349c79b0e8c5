"""Who takes part, what is expected of whom, and how one of them is run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cells.launch import LOG, Limits, run_cell
from bench.cells.summary import throughput
from bench.host.guardian import Guarded
from bench.host.processes import exit_text, log_tail, with_our_code
from bench.host.worker_environment import worker_environment
from bench.run.plan import Request, make_plan
from bench.run.stores import describe
from bench.verify.samples import tokenise, tokens_of, words_of
from shared import spec
from shared.contest import Contest, Contestant
from shared.events import Window, of_kind, read_events
from shared.families import family_of
from shared.frameworks import framework
from shared.protocol import Cell
from shared.spec import Workload
from shared.store import open_store
from shared.tasks import task_of

LIMIT_SECONDS = 1800.0  # of a contestant, compilation included
TRAIN_SHARE = 0.8  # of the pages
MOST_CLASSES = 16  # of synthetic documents
SPARE_PAGES = 32  # the shares of sixteen classes are rounded
VOCABULARY_SIZE = 1024  # of the synthetic texts; the network keeps the published table of 30,522


@dataclass(frozen=True)
class Settings:
    """What every contestant does."""

    workload: str
    rounds: int
    steps: int
    warmup: int
    size: int  # pixels of a page, or tokens of a text
    batch: int

    @property
    def published(self) -> Workload:
        """The workload as published."""
        return spec.load(self.workload)

    @property
    def contest(self) -> Contest:
        """Who takes part."""
        return family_of(self.published).contest


@dataclass(frozen=True)
class Run:
    """How one contestant did in one round."""

    samples_per_second: float | None
    failure: str | None = None


def make_store(settings: Settings, folder: Path) -> Path:
    """Synthetic samples, enough that none is read twice: the second time it might still lie in the cache."""
    from bench.data.prepare import prepare
    from bench.data.synthetic_store import source_of

    num_read = (settings.warmup + settings.steps) * settings.batch
    count, shares = int(num_read / TRAIN_SHARE) + SPARE_PAGES, (TRAIN_SHARE, 0.1, 0.1)
    workload = workload_of(settings)
    longest = settings.size  # a token a word at least: from half empty to full
    source, size = source_of(workload, count, 0, MOST_CLASSES, shares, words=(longest // 2, longest))
    if tokens_of(workload) is None and words_of(workload) is None:
        return prepare(source, folder / "store", size).store.path
    store = prepare(source, folder / "texts", size).store
    tokenise(store.path, folder / "store", workload, VOCABULARY_SIZE)
    return folder / "store"


def workload_of(settings: Settings) -> Workload:
    """The workload as published, but for the settings.

    Raises:
        UserError: impossible settings.
    """
    changes = {
        family_of(settings.published).ladder.size[0]: settings.size,
        "train.batch_per_replica": settings.batch,
        "measure.warmup_steps": settings.warmup,
        "measure.measured_steps": settings.steps,
        "model.num_classes": task_of(settings.published).synthetic_outputs(MOST_CLASSES),
    }
    # samples of one size: buckets beside it would be of no use, and those above it impossible
    published = family_of(settings.published).one_width(settings.published)
    return published.overridden(changes, "bench.studies.performance")


def make_cell(contestant: Contestant, workload: Workload, store: Path, folder: Path) -> Cell:
    """The contestant's cell: one replica over all cores, planned as `bench run` plans it."""
    request = Request(frameworks=(contestant.framework,), replicas=(1,), device="cpu", input_mode=contestant.input_mode)
    (cell,) = make_plan(request, workload, describe(open_store(store, checksums=None)), epochs=0, gpus=()).cells
    return replace(cell, cell_id=contestant.name, directory=str(folder / contestant.name))


def variables_of(contestant: Contestant, cell: Cell) -> dict[str, str]:
    """What is set for a contestant, on top of the user's environment."""
    own = dict(contestant.variables)
    if contestant.tuned:
        return worker_environment(cell, tune=True) | own
    return {"CUDA_VISIBLE_DEVICES": ""} | own  # all of them run on CPU


def run(contestant: Contestant, cell: Cell) -> Run:
    """Run a contestant to its end; none of its processes is left."""
    if contestant.kind == "worker":
        outcome = run_cell(cell, variables_of(contestant, cell), Limits(), on_progress=lambda progress: None)
        failure = None if outcome.status == "ok" else f"{outcome.status}: {outcome.reason}"
        events = outcome.events[0]
    else:
        failure = run_loop(contestant, cell)
        events = read_events(cell.events_path(0))
    windows = of_kind(events, Window)
    return Run(throughput(windows)) if windows and not failure else Run(None, failure or "ended without a window")


def run_loop(contestant: Contestant, cell: Cell) -> str | None:
    """Run a loop of the wing's `peers` module; what went wrong in one line, or None."""
    directory = Path(cell.directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    cell.write(directory / "cell.json")
    peers = f"{framework(cell.framework).wing}.peers"
    command = [sys.executable, "-m", peers, contestant.kind, str(directory / "cell.json")]
    with Guarded(with_our_code(variables_of(contestant, cell)), token=str(directory)) as guarded:
        process = guarded.start(command, directory / LOG, directory)
        try:
            status = process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            return f"not over after {LIMIT_SECONDS:.0f} s"
    return None if status == 0 else ": ".join([exit_text(status), *log_tail(directory / LOG)[-1:]])
