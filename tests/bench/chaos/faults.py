"""What happens to a run: each fault strikes at a moment, and may have to be put right before the run can go on."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from tests.bench.chaos.trial import Bench, Finding, Trial

START_SECONDS = 0.1  # of a process: what happens to it by then happens at its start
CHUNK_BYTES = 1 << 16


class Disk:
    """A small disk of its own where one can be mounted (Linux, root), which can be filled to the last byte."""

    def __init__(self, folder: Path, mebibytes: int) -> None:
        """
        Raises:
            OSError: it cannot be mounted.
        """
        self.path = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "twinbench-chaos", str(folder)]
        if not sys.platform.startswith("linux") or subprocess.run(command, capture_output=True).returncode:
            raise OSError(f"{folder}: no disk could be mounted")

    def fill(self) -> None:
        """Leave no byte free."""
        with (self.path / "filler").open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(CHUNK_BYTES)):
                pass

    def clear(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink()

    def unmount(self) -> None:
        """Remove the disk with all that is on it."""
        subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True, check=False)


def disk_can_be_mounted(folder: Path) -> bool:
    """Whether a full disk can be had here."""
    try:
        Disk(folder / "try", 1).unmount()
    except OSError:
        return False
    return True


def signalled(process: psutil.Process, number: signal.Signals) -> bool:
    """Send a signal; False where the process has ended meanwhile."""
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


def to_harness(number: signal.Signals, group: bool = False) -> Callable[[Trial, random.Random], bool]:
    """A signal to the harness, or to its process group as a terminal sends it."""

    def strike(trial: Trial, rng: random.Random) -> bool:
        if trial.process.poll() is not None:
            return False
        (os.killpg if group else os.kill)(trial.process.pid, number)
        return True

    return strike


def to_rank(number: signal.Signals) -> Callable[[Trial, random.Random], bool]:
    """A signal to one of the ranks of the cell that runs, or of the next."""

    def strike(trial: Trial, rng: random.Random) -> bool:
        ranks = trial.wait_for(trial.ranks)
        return bool(ranks) and signalled(rng.choice(ranks), number)

    return strike


def to_first(number: signal.Signals) -> Callable[[Trial, random.Random], bool]:
    """A signal to the first process of the cell that runs, or of the next: torchrun's agent, TensorFlow's worker."""

    def strike(trial: Trial, rng: random.Random) -> bool:
        members = trial.wait_for(trial.members)
        return bool(members) and signalled(members[0], number)

    return strike


def nothing(trial: Trial, rng: random.Random) -> bool:
    """A run that is left in peace has to leave nothing behind either."""
    return trial.process.poll() is None


def crash_at_start(trial: Trial, rng: random.Random) -> bool:
    """The next cell's first process dies of a bad address before it has said a word."""
    before = {process.pid for process in trial.members()}

    def new() -> list[psutil.Process]:
        return [process for process in trial.members()[:1] if process.pid not in before]

    started = trial.wait_for(new)
    time.sleep(rng.uniform(0, START_SECONDS))
    return bool(started) and signalled(started[0], signal.SIGSEGV)


def limit_file_size(trial: Trial, rng: random.Random) -> bool:
    """No process of the run can write another byte into a file."""
    if trial.process.poll() is not None:
        return False
    for process in [psutil.Process(trial.process.pid), *trial.members()]:
        with suppress(psutil.NoSuchProcess):
            process.rlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    return True


@dataclass(frozen=True)
class Fault:
    """A kind of trouble."""

    name: str
    strike: Callable[[Trial, random.Random], bool] | None  # False: it came too late. None: the disk is filled
    statuses: Sequence[int]  # that the harness may end with
    hangs: bool = False  # the run is given a time limit
    is_mute: bool = False  # the harness's standard error, a file as well, takes no byte more


RUN_ENDS = (0, 1)  # all cells ok, or one of them not
FULL = (*RUN_ENDS, 2)  # a disk that is full when everything is written hurts nobody
FAULTS = {
    "nothing": Fault("nothing: success", nothing, (0,)),
    "kill-rank": Fault("kill -9 of a rank", to_rank(signal.SIGKILL), RUN_ENDS),
    "kill-harness": Fault("kill -9 of the harness", to_harness(signal.SIGKILL), (-signal.SIGKILL,)),
    # before and after its cells the harness has nothing to clear up: it dies of the signal
    "interrupt": Fault("Ctrl-C", to_harness(signal.SIGINT, group=True), (130, -signal.SIGINT)),
    "terminate": Fault("SIGTERM to the harness", to_harness(signal.SIGTERM), (130, -signal.SIGTERM)),
    "hung-rank": Fault("a hung rank (SIGSTOP)", to_rank(signal.SIGSTOP), RUN_ENDS, hangs=True),
    "full-disk": Fault("a full disk", None, FULL),
    "file-size": Fault("a limit of file sizes (no byte more)", limit_file_size, FULL, is_mute=True),
    "crash-at-start": Fault("a worker that crashes at its start", crash_at_start, RUN_ENDS),
    "kill-first": Fault("kill -9 of the first process (torchrun's agent)", to_first(signal.SIGKILL), RUN_ENDS),
}


def run_trial(
    bench: Bench, kind: str, folder: Path, moment: float, rng: random.Random, disk_mebibytes: int
) -> Finding | None:
    """One trial; None where the run was over before anything happened to it.

    Args:
        folder: of this trial alone; made here.
        moment: seconds after the start.
        disk_mebibytes: size of a disk that is to be filled; the run must fit.

    Raises:
        OSError: a disk is needed and cannot be mounted.
    """
    fault = FAULTS[kind]
    folder.mkdir(parents=True)
    disk = Disk(folder / "disk", disk_mebibytes) if fault.strike is None else None
    options = ["--timeout", str(bench.hang_seconds)] if fault.hangs else []
    trial = None
    try:
        trial = Trial(bench, folder, (disk.path if disk else folder) / "out", options)
        with suppress(subprocess.TimeoutExpired):
            trial.process.wait(moment)
        if trial.is_over():
            return None
        if disk:
            disk.fill()
        elif fault.strike is not None and not fault.strike(trial, rng):
            return None
        return judged(trial, fault, disk)
    finally:
        if trial:
            trial.clear_up()
        if disk:
            disk.unmount()


def judged(trial: Trial, fault: Fault, disk: Disk | None) -> Finding:
    """The trial's finding, with how the harness took leave."""
    finding = trial.judge(disk.clear if disk else lambda: None)
    status, said = trial.process.returncode, trial.said().strip().splitlines()
    wrong = list(finding.wrong)
    if status not in fault.statuses:
        wrong.append(f"exit status {status}: {said[-1] if said else ''}")
    if status == 2 and not fault.is_mute and not said[-1].startswith("bench: error: "):
        wrong.append(f"not one line: {said[-1]}")
    return replace(finding, wrong=tuple(wrong))
