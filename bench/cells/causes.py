"""What `bench doctor` knows of a failure: its finding and its fix stand in the reason of the cell that failed of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from bench.doctor import memory, storage, system
from bench.doctor.findings import Finding, Host
from bench.host.processes import log_tail

LOADER = "could not hand a batch over"  # as pt_impl/data.py says it
Check = Callable[[Host], list[Finding]]
# words of a reason or of the end of a log, and the checks that may know what they come from
CAUSES: tuple[tuple[str, tuple[Check, ...]], ...] = (
    (r"shared memory (\(shm\)|object)|memory\(shm\)|torch_\d+_\d+|SIGBUS|Bus error", (memory.shared_memory,)),
    (r"AF_UNIX path too long", (system.temporary_folder,)),
    (
        r"No space left|Errno 28\b|Read-only file system|Errno 30\b|Disk quota exceeded",
        (memory.shared_memory, system.temporary_folder, storage.results_folder),
    ),
    (r"Too many open files|Errno 24\b", (system.open_files,)),
    (r"can't start new thread|Resource temporarily unavailable|Errno 11\b", (system.processes,)),
)


def explained(reason: str, log: Path, host: Host | None = None) -> str:
    """A reason with what is wrong with this machine and how to mend it, where the two have to do with each other.

    "RuntimeError: DataLoader worker (pid(s) 7) exited unexpectedly; shared memory: 64 MiB free in /dev/shm: too little
    for large pages and many workers: `docker run --shm-size 2g ...`, or `--ipc host`"

    Args:
        reason: one line.
        log: of the cell.
    """
    lines = log_tail(log)
    text = "\n".join([reason, *lines])
    checks = dict.fromkeys(check for words, known in CAUSES if re.search(words, text) for check in known)
    host = host or Host()
    findings = [finding for check in checks for finding in check(host) if finding.state != "good" and finding.fix]
    said = [line for line in lines if LOADER in line][:1]  # the training only knows that the process has gone
    return "; ".join([reason, *said, *(f"{finding.check}: {finding.text}: {finding.fix}" for finding in findings)])
