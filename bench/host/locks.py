"""A lock on a folder's work that the kernel gives back when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shared.errors import UserError


@contextmanager
def held(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file, made with its folder where it does not exist.

    Args:
        busy: what to tell the user where another process holds it.

    Raises:
        UserError: another process holds it, or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be written ({error.strerror}); set TWINBENCH_RESULTS") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise UserError(busy) from None
    try:
        yield
    finally:
        os.close(handle)
