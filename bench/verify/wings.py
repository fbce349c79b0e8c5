"""Runs each wing's probe in a process of its own and collects the answers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

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

    def answer(self, task: Task) -> Arrays | None:
        """The answer to a task, or None where there is none yet."""
        path = self.folder / f"{task.name}.npz"
        if not path.exists():
            return None
        return read_arrays(path)

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
            over = [probe for probe in probes if probe.ended]
            answers = [probe.answer(task) for probe in probes]
            if all(answer is not None for answer in answers):
                on_answers(task, answers[0], answers[1], "")
                break
            silent = [probe for probe, answer in zip(probes, answers, strict=True) if answer is None]
            if any(probe in over for probe in silent):
                lost = next(probe for probe in silent if probe in over)
                on_answers(task, answers[0], answers[1], lost.last_words())
                break
            if time.monotonic() > deadline:
                on_answers(task, answers[0], answers[1], f"no answer within {TIMEOUT_SECONDS:.0f} s")
                break
            time.sleep(POLL_SECONDS)
