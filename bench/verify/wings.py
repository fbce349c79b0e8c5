"""Runs each wing's probe in a process of its own and collects the answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from bench.host.guardian import Guarded
from bench.host.processes import with_our_code
from bench.verify.compare import Arrays
from shared.frameworks import KEYS, framework
from shared.outside import read_arrays
from shared.probe import Task, write_request

WINGS = KEYS
POLL_SECONDS = 0.2
TIMEOUT_SECONDS = 1800.0
LOG_TAIL = 400
# Bytes a scalar of the network: of a wing its weights, gradients and moments in double precision with copies in between
# (13 GB were seen of 304 million), of the harness two answers in double precision.
WING_BYTES, JUDGE_BYTES = 45, 16


class Probe:
    """A wing's probe process and what it has answered so far."""

    def __init__(
        self, wing: str, tasks: Sequence[Task], folder: Path, mutation: str = "", python: str | None = None
    ) -> None:
        """Start it.

        Args:
            wing: its framework's key.
            tasks: computed in this order.
            folder: where request, answers and log go.
            mutation: the function of the wing's `mutations` that is called before (`bench verify --mutations`).
            python: the wing's interpreter; None: this one.
        """
        self.wing = wing
        self.folder = folder
        folder.mkdir(parents=True)
        write_request(folder / "request.json", tasks)
        self.log = folder / "log.txt"
        quiet = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2", "OMP_NUM_THREADS": "1"}
        self.guarded = Guarded(with_our_code(quiet), token=str(folder))
        module, request = f"{framework(wing).wing}.probe", str(folder / "request.json")
        command = [python or sys.executable, "-m", module, request, str(folder), *([mutation] if mutation else [])]
        self.process = self.guarded.start(command, self.log)

    def answer_path(self, task: Task) -> Path:
        """Where the answer to a task will be, whole."""
        return self.folder / f"{task.name}.npz"

    def answer(self, task: Task) -> Arrays | None:
        """The answer to a task, or None where there is none yet."""
        path = self.answer_path(task)
        return read_arrays(path) if path.exists() else None

    def wait(self) -> None:
        """Wait until it has answered everything, or has ended or hangs."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self.ended and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self) -> str:
        """The end of its log, one line."""
        text = self.log.read_text(encoding="utf-8", errors="replace").strip()
        last = text.splitlines()[-1] if text else "no output"
        return f"{self.wing} wing exited with {self.process.poll()}: {last[:LOG_TAIL]} (log: {self.log})"

    def close(self) -> None:
        """End the process and all its descendants."""
        self.guarded.close()


def start_probes(
    tasks: Sequence[Task], folder: Path, pythons: Mapping[str, str | None], num_scalars: int, say: Callable[[str], None]
) -> list[Probe]:
    """Both wings' probes; one after the other where the memory does not hold both.

    Args:
        num_scalars: of the network.
        say: told why it takes longer.
    """
    needed, free = num_scalars * (len(WINGS) * WING_BYTES + JUDGE_BYTES), psutil.virtual_memory().available
    probes: list[Probe] = []
    try:
        for wing in WINGS:
            if probes and needed > free:
                say(f"one wing after the other: both need about {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free")
                probes[-1].wait()
                probes[-1].close()
            probes.append(Probe(wing, tasks, folder / wing, python=pythons[wing]))
    except BaseException:
        for probe in probes:
            probe.close()
        raise
    return probes


def ask(
    probes: Sequence[Probe],
    tasks: Sequence[Task],
    on_answers: Callable[[Task, Arrays | None, Arrays | None, str], None],
) -> None:
    """Wait for both wings' answers, task by task; those of a wing that died or hangs are passed on as None.

    Args:
        probes: the two wings', PyTorch's first.
        on_answers: called with the task, both answers and why one is missing.
    """
    deadline = time.monotonic() + TIMEOUT_SECONDS
    for task in tasks:
        while True:
            over = [probe for probe in probes if probe.ended]  # asked first: it may answer and end in between
            silent = [probe for probe in probes if not probe.answer_path(task).exists()]
            lost = next((probe for probe in silent if probe in over), None)
            is_late = time.monotonic() > deadline
            if not silent or lost or is_late:
                break
            time.sleep(POLL_SECONDS)
        why = "" if not silent else lost.last_words() if lost else f"no answer within {TIMEOUT_SECONDS:.0f} s"
        answers = [probe.answer(task) for probe in probes]
        on_answers(task, answers[0], answers[1], why)
        for probe in probes:  # of a large network they take gigabytes
            probe.answer_path(task).unlink(missing_ok=True)
