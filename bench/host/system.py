"""Where a Linux system says what it is doing, and its small text files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class System:
    """Where to read. Tests give folders of their own."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    shm: Path = Path("/dev/shm")


def read(path: Path) -> str | None:
    """A small text file of the system, stripped; None where it can not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def gib(num_bytes: float) -> str:
    """Bytes in GiB, with one digit.

    >>> gib(3 * 2**30)
    '3.0 GiB'
    """
    return f"{num_bytes / 2**30:.1f} GiB"
