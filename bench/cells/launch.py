"""One cell: start its processes, watch its events, say how it ended, leave nothing behind.

The harness sleeps while it waits; it must not take a core from what it measures. Inside the measured window the workers
write nothing (`shared.events.EventWriter`), and the harness looks once per second whether they live and their events
files grow (a `stat` each): nothing is parsed and nothing shown before the window is over.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from bench.cells.causes import explained
from bench.cells.events import EventTail
from bench.host.cgroups import oom_kills
from bench.host.guardian import Guarded
from bench.host.processes import exit_text, failed_rank, log_tail, stop, with_our_code
from bench.host.system import System
from bench.host.wake import Wake
from bench.host.worker_environment import temporary_folder
from bench.monitors.monitor import WINDOW, Monitor
from bench.records.usage import Usage
from shared.events import Done, Event, Failure, FirstStep, Phase, Step
from shared.frameworks import framework
from shared.out_of_memory import line_of
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell

POLL_SECONDS = 0.25
WINDOW_POLL_SECONDS = 1.0  # inside the measured window
LONGEST_WINDOW = 1e6  # seconds that are believed
PATIENCE = 2.0  # times as long as expected: a busy machine
LOG = "log.txt"
AFTER_ERROR_SECONDS = 30.0  # from a rank's `error` event until its process group must have ended

Ending = Literal["ok", "oom", "timeout", "crash", "diverged"]


@dataclass(frozen=True)
class Limits:
    """Seconds without a new event from any rank after which a cell is given up, by what it is doing."""

    start: float = 300.0  # until the first event: interpreter, imports from a cold disk
    first_step: float = 1800.0  # until the first step is over: compilation, autotuning
    steady: float = 600.0
    teardown: float = 60.0  # after every rank is done
    evaluation_samples: int = 0  # of the largest split: evaluating it writes nothing until its end


@dataclass(frozen=True)
class Progress:
    """What a running cell is doing, for display."""

    phase: str = "start"
    steps_done: int = 0
    samples_per_second: float | None = None
    window_seconds: float | None = None  # what the window should take; None: it has not begun, or nobody says


@dataclass(frozen=True)
class Outcome:
    """How a cell ended, and everything it said."""

    status: Ending
    reason: str | None
    events: list[list[Event]]  # by rank
    started: str
    wall_seconds: float
    harness_cpu_seconds: float
    usage: Usage | None = None


def num_ranks(cell: Cell) -> int:
    """Ranks that write events."""
    return framework(cell.framework).num_processes(cell.replicas)


def gpus_of(variables: Mapping[str, str]) -> list[str]:
    """The GPUs that a worker is given, as CUDA_VISIBLE_DEVICES names them."""
    return [each for each in variables.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]


def worker_command(cell: Cell, cell_path: Path) -> list[str]:
    """The command line of a cell's process group."""
    python, own = cell.python or sys.executable, framework(cell.framework)
    worker = ["-m", f"{own.wing}.worker", str(cell_path)]
    # one process needs no launcher, whose own import of torch takes as long as the worker's
    if num_ranks(cell) == 1:
        return [python, *worker]
    assert own.launcher is not None
    launcher = [python, "-m", own.launcher]
    one_machine = ["--nnodes=1", f"--nproc-per-node={cell.replicas}", "--max-restarts=0", "--monitor-interval=0.5"]
    # as --standalone does, but on the loopback address: host names need not resolve
    meeting = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
    logs = [f"--rdzv-id={cell.cell_id}", f"--log-dir={cell_path.parent / 'torchrun'}"]
    return [*launcher, *one_machine, *meeting, *logs, *worker]


class Watch:
    """The state of a running cell, as its events tell it."""

    def __init__(self, cell: Cell, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.cell, self.limits, self.clock = cell, limits, clock
        self.tails = [EventTail(cell.events_path(rank)) for rank in range(num_ranks(cell))]
        self.oom_kills = oom_kills(System())  # before the cell
        self.done: set[int] = set()
        self.errors: list[Failure] = []
        self.phase = "start"
        self.stepped = False
        self.steps_done = 0
        self.recent: deque[float] = deque(maxlen=20)  # seconds of rank 0's last steps
        self.window_seconds: float | None = None  # what rank 0 expects
        self.last_event = clock()

    @property
    def in_window(self) -> bool:
        """Whether the cell is measured now, as far as is known: its events come when that is over."""
        return self.phase == WINDOW and not self.errors

    def poll(self) -> bool:
        """Take in what is new; True where there was anything."""
        anything = False
        for rank, tail in enumerate(self.tails):
            for event in tail.poll():
                anything = True
                self.take(rank, event)
        if anything:
            self.last_event = self.clock()
        return anything

    def take(self, rank: int, event: Event) -> None:
        """Take in one event."""
        if isinstance(event, Done):
            self.done.add(rank)
        elif isinstance(event, Failure):
            self.errors.append(event)
        elif isinstance(event, Step | FirstStep):
            self.stepped = True
        if rank == 0 and isinstance(event, Phase):
            self.phase = event.name
            if self.phase == WINDOW:
                self.window_seconds = seconds_of(event)
        if rank == 0 and isinstance(event, Step):
            self.steps_done += 1  # over both stages; the index begins anew in the second
            # a stage's first step compiles, and one that was not timed says nothing of the rate
            if event.index > 0 and event.seconds > 0:
                self.recent.append(event.seconds)

    def progress(self) -> Progress:
        """For display: the rate is that of rank 0's last steps times the global batch."""
        seconds = sum(self.recent)
        rate = len(self.recent) * self.cell.global_batch / seconds if seconds > 0 else None
        return Progress(self.phase, self.steps_done, rate, self.window_seconds)

    def forgive(self) -> None:
        """Count the silence from now on: so far the cell was waiting for its turn, as it was told to."""
        self.last_event = self.clock()

    def overdue(self) -> str | None:
        """Why the cell should be given up; None while it may go on."""
        limits = self.limits
        if len(self.done) == len(self.tails):
            limit, waiting = limits.teardown, "did not end after all ranks were done"
        elif self.errors:
            limit, waiting = AFTER_ERROR_SECONDS, "did not end after its error"
        elif self.phase == "start" and not any(tail.events for tail in self.tails):
            limit, waiting = limits.start, "no event since the start"
        elif not self.stepped:
            limit, waiting = limits.first_step, f"no first step (phase {self.phase})"
        elif self.phase == "evaluate":
            # a page is evaluated faster than it is trained on
            rate = self.progress().samples_per_second
            allowance = PATIENCE * limits.evaluation_samples / rate if rate else 0.0
            limit, waiting = limits.steady + allowance, "no event in evaluation"
        elif self.phase == WINDOW:  # nothing is written inside it
            limit = limits.steady + PATIENCE * (self.window_seconds or 0.0)
            waiting = f"no end of the measured window, which began after {self.steps_done} steps,"
        else:
            limit, waiting = limits.steady, f"no event in phase {self.phase}, after {self.steps_done} steps"
        idle = self.clock() - self.last_event
        return f"{waiting} for {limit:.0f} s" if idle > limit else None

    def verdict(self, exit_status: int, log: Path) -> tuple[Ending, str | None]:
        """How a cell whose first process has ended did, and why in one line."""
        if self.errors:
            # ranks whose peer ran out of memory fail as well, with texts of their own
            short = [error for error in self.errors if error.kind == "oom" or line_of(error.message)]
            if short:
                return "oom", short[0].message
            # all ranks diverge together; one that failed as well says more
            crashed = [error for error in self.errors if error.kind != "diverged"]
            return self.unless_killed(crashed[0].message) if crashed else ("diverged", self.errors[0].message)
        missing = sorted(set(range(len(self.tails))) - self.done)
        if exit_status == 0:
            unfinished = f"ended without finishing (rank {', '.join(map(str, missing))})"
            return ("crash", unfinished) if missing else ("ok", None)
        lines = log_tail(log)
        short_of = line_of("\n".join(lines))
        failed = failed_rank(lines)
        if failed is not None:
            rank, exit_status = failed
            reason = f"rank {rank}: {exit_text(exit_status)}"
        else:
            reason = ": ".join([exit_text(exit_status), *lines[-1:]])
        if exit_status == EXIT_OUT_OF_MEMORY:
            return "oom", reason
        return ("oom", f"{reason}: {short_of}") if short_of and short_of not in reason else self.unless_killed(reason)

    def unless_killed(self, reason: str) -> tuple[Ending, str]:
        """A crash, or out of memory: where a process was killed while the kernel counted that it killed for memory."""
        killed = "SIGKILL" in reason or "killed by signal: Killed" in reason  # the latter is torch's, of a loader
        if killed and oom_kills(System()) > self.oom_kills:
            return "oom", f"{reason}; the kernel killed a process for want of memory"
        return "oom" if line_of(reason) else "crash", reason


def seconds_of(phase: Phase) -> float | None:
    """How long a phase should take, where its event says so in a number that can be waited for."""
    seconds = phase.seconds
    return seconds if seconds is not None and 0 <= seconds < LONGEST_WINDOW else None  # NaN is in no range


def watch(
    process: subprocess.Popen[bytes],
    state: Watch,
    log: Path,
    on_progress: Callable[[Progress], None],
    monitor: Monitor,
    is_waiting: Callable[[], bool],
    wake: Wake,
) -> tuple[Ending, str | None]:
    """Wait until a cell's first process ends or is overdue.

    Args:
        on_progress: called at every look but for those inside the window, of which it learns its begin alone.
        wake: what is slept in between two looks; inside the window it ends early where the window does.
    """
    while True:
        ended = process.poll() is not None  # before the events: what it wrote last is then read too
        news = state.poll()
        monitor.look(state.phase, state.stepped)
        if news or not state.in_window:
            on_progress(state.progress())
        if is_waiting():
            state.forgive()
        if ended:
            return state.verdict(process.returncode, log)
        reason = state.overdue()
        if reason:
            return state.verdict(1, log) if state.errors else ("timeout", reason)
        if state.in_window:
            wake.on_growth(state.tails[0].path)
            wake.wait(WINDOW_POLL_SECONDS)
        else:
            time.sleep(POLL_SECONDS)


def run_cell(
    cell: Cell,
    variables: Mapping[str, str],
    limits: Limits,
    on_progress: Callable[[Progress], None],
    is_waiting: Callable[[], bool] = lambda: False,
    num_alive: int = 1,
) -> Outcome:
    """Run one cell from an empty directory to its end; whatever happens, no process of it is left.

    Args:
        cell: what to run; its directory is emptied first.
        variables: environment variables set on top of the user's.
        limits: when to give up.
        on_progress: called every POLL_SECONDS outside the window, and as that begins.
        is_waiting: whether the cell waits for its turn; it is not given up for that.
        num_alive: cells that are alive at once; their monitors share what one may cost.
    """
    directory = Path(cell.directory)
    stop(str(directory))  # of a harness that was killed before it could clear up
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    cell_path, log = directory / "cell.json", directory / LOG
    cell.write(cell_path)
    state = Watch(cell, limits)
    with ExitStack() as after:  # the processes: what they need is there until they have ended
        wake = after.enter_context(closing(Wake()))
        own = after.enter_context(temporary_folder())
        with Guarded(with_our_code({**variables, **own}), token=str(directory)) as guarded:
            started, begin, cpu_begin = datetime.now(UTC), time.monotonic(), time.process_time()
            process = guarded.start(worker_command(cell, cell_path), log, directory)
            gpus = gpus_of(variables) if cell.device == "cuda" else ()
            monitor = after.enter_context(closing(Monitor(process.pid, gpus, num_monitors=num_alive)))
            status, reason = watch(process, state, log, on_progress, monitor, is_waiting, wake)
            usage = monitor.usage()
            cpu_seconds = time.process_time() - cpu_begin
    survivors = guarded.survivors
    if survivors:
        status, reason = "timeout", f"processes {survivors} could not be ended; {reason or ''}"
    state.poll()
    if reason and status in ("crash", "timeout"):
        reason = explained(reason, log)
    return Outcome(
        status=status,
        reason=reason,
        events=[tail.events for tail in state.tails],
        started=started.isoformat(timespec="seconds"),
        wall_seconds=time.monotonic() - begin,
        harness_cpu_seconds=cpu_seconds,
        usage=usage,
    )
