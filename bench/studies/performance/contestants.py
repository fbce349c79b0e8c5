"""Who takes part, what is expected of whom, and how one of them is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cells.launch import LOG, Limits, run_cell
from bench.cells.summary import throughput
from bench.host.guardian import Guardian
from bench.host.locations import PROJECT_ROOT
from bench.host.processes import exit_text, log_tail, start, stop
from bench.host.worker_environment import worker_environment
from bench.run.plan import Request, make_plan
from bench.run.stores import describe
from shared import spec
from shared.events import Window, of_kind, read_events
from shared.protocol import Cell
from shared.spec import Workload
from shared.store import open_store

LIMIT_SECONDS = 1800.0  # of a contestant, compilation included
TRAIN_SHARE = 0.8  # of the pages
SPARE_PAGES = 32  # the shares of sixteen classes are rounded
VOCABULARY_SIZE = 1024  # of the synthetic texts; the network keeps the published table of 30,522


@dataclass(frozen=True)
class Contestant:
    """One way to train the workload, in a process of its own."""

    name: str
    framework: str
    kind: str  # worker, or a kind of the wing's `peers` module: peer, bare
    tuned: bool = True  # whether it gets the worker's environment; else only what its user has
    input_mode: str = "device"
    variables: tuple[tuple[str, str], ...] = ()  # set for this contestant alone


@dataclass(frozen=True)
class Ratio:
    """A speed over another one, and the least that it should be."""

    over: str
    under: str
    target: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.over} / {self.under}"


def contestants_of(framework: str) -> tuple[Contestant, ...]:
    """The contestants of a wing."""
    return (
        Contestant(f"{framework}-peer", framework, "peer", tuned=False),
        Contestant(f"{framework}-peer-tuned", framework, "peer"),
        Contestant(f"{framework}-bare", framework, "bare"),
        Contestant(f"{framework}-wing", framework, "worker"),
        Contestant(f"{framework}-wing-disk", framework, "worker", input_mode="disk"),
    )


CONTESTANTS = (*contestants_of("pt"), *contestants_of("tf"))
EAGER = Contestant("pt-peer-eager", "pt", "peer", variables=(("TWINBENCH_PEER_ATTENTION", "eager"),))
CONTESTANTS_OF = {"efficientnet": CONTESTANTS, "bert": (*contestants_of("pt"), EAGER, *contestants_of("tf"))}
PAGE_RATIOS = (
    Ratio("pt-wing", "pt-peer", 2.0),
    Ratio("pt-wing", "pt-peer-tuned", 1.05),
    Ratio("tf-wing", "tf-peer", 1.4),
    Ratio("pt-wing-disk", "pt-wing", 0.97),
    Ratio("tf-wing-disk", "tf-wing", 0.97),
    Ratio("pt-wing", "pt-bare", 0.99),
    Ratio("tf-wing", "tf-bare", 0.99),
)
TEXT_RATIOS = (
    Ratio("pt-wing", "pt-peer", 1.0),
    Ratio("pt-wing", "pt-peer-tuned", 1.0),
    Ratio("pt-wing", "pt-peer-eager", 1.0),
    Ratio("tf-wing", "tf-peer", 1.0),
    *PAGE_RATIOS[3:],
)
RATIOS_OF = {"efficientnet": PAGE_RATIOS, "bert": TEXT_RATIOS}


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
    def family(self) -> str:
        """Kind of the workload's network."""
        return spec.load(self.workload).model.family


@dataclass(frozen=True)
class Run:
    """How one contestant did in one round."""

    samples_per_second: float | None
    failure: str | None = None


def make_store(settings: Settings, folder: Path) -> Path:
    """Synthetic samples, enough that none is read twice: the second time it might still lie in the cache."""
    from bench.data import synthetic, synthetic_text
    from bench.data.prepare import prepare
    from bench.data.tokens import tokenised

    num_read = (settings.warmup + settings.steps) * settings.batch
    count, shares = int(num_read / TRAIN_SHARE) + SPARE_PAGES, (TRAIN_SHARE, 0.1, 0.1)
    if settings.family == "efficientnet":
        return prepare(synthetic.source(count, shares=shares), folder / "store", settings.size).store.path
    longest = settings.size  # a token a word at least: from half empty to full
    texts = synthetic_text.source(count, shares=shares, words=(longest // 2, longest))
    store = prepare(texts, folder / "texts", 0).store
    return tokenised(store, None, VOCABULARY_SIZE, settings.size, "head", folder / "store").path


def workload_of(settings: Settings) -> Workload:
    """The workload as published, but for the settings.

    Raises:
        UserError: impossible settings.
    """
    size = "input.image_size" if settings.family == "efficientnet" else "input.max_tokens"
    changes = {
        size: settings.size,
        "train.batch_per_replica": settings.batch,
        "measure.warmup_steps": settings.warmup,
        "measure.measured_steps": settings.steps,
    }
    return spec.load(settings.workload).overridden(changes, "bench.studies.performance")


def make_cell(contestant: Contestant, workload: Workload, store: Path, folder: Path) -> Cell:
    """The contestant's cell: one replica over all cores, planned as `bench run` plans it."""
    request = Request(frameworks=(contestant.framework,), gpus=(1,), device="cpu", input_mode=contestant.input_mode)
    (cell,) = make_plan(request, workload, describe(open_store(store, checksums=None)), epochs=0, gpus=()).cells
    return replace(cell, cell_id=contestant.name, directory=str(folder / contestant.name))


def variables_of(contestant: Contestant, cell: Cell) -> dict[str, str]:
    """What is set for a contestant, on top of the user's environment."""
    own = dict(contestant.variables)
    if contestant.tuned:
        return worker_environment(cell, tune=True) | own
    return {"CUDA_VISIBLE_DEVICES": ""} | own  # this is a race on CPU


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
    command = [sys.executable, "-m", f"{cell.framework}_impl.peers", contestant.kind, str(directory / "cell.json")]
    search_path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH")]))
    guardian = Guardian()
    environment = {**os.environ, **variables_of(contestant, cell), **guardian.variable, "PYTHONPATH": search_path}
    process = None
    try:
        process = start(command, directory, directory / LOG, environment)
        status = process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return f"not over after {LIMIT_SECONDS:.0f} s"
    finally:
        stop(str(directory), process)
        guardian.dismiss()
    return None if status == 0 else ": ".join([exit_text(status), *log_tail(directory / LOG)[-1:]])
