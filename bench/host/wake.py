"""Sleeping until a file grows, or for a while: what the harness does inside a cell's measured window.

Linux tells who waits for it (inotify) that a file was written to; Python's library has no such call. Elsewhere, and on
a file system that tells nothing, it is a plain sleep, and the file's growth is found at the next look.
"""

from __future__ import annotations

import ctypes
import os
import select
import time
from contextlib import suppress
from pathlib import Path

IN_MODIFY = 0x2  # sys/inotify.h


class Wake:
    """A sleep that the growth of one file ends. Close it."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self.descriptor: int | None = None

    def on_growth(self, path: Path) -> None:
        """Wake when this file grows, from now on; a file that is watched already stays so."""
        if path == self._path:
            return
        self.close()
        self._path, self.descriptor = path, _watched(path)

    def wait(self, seconds: float) -> None:
        """Sleep for some seconds, or until the file has grown since the last call."""
        if self.descriptor is None:
            time.sleep(seconds)
            return
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        if poll.poll(1000 * seconds):
            with suppress(BlockingIOError):
                os.read(self.descriptor, 1 << 16)

    def close(self) -> None:
        """Watch nothing any more; twice does no harm."""
        if self.descriptor is not None:
            os.close(self.descriptor)
        self._path = self.descriptor = None


def _watched(path: Path) -> int | None:
    """A descriptor that can be read when the file has been written to; None where the system has no such thing."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = int(libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
    except (OSError, AttributeError):  # not Linux
        return None
    if descriptor < 0:
        return None
    if libc.inotify_add_watch(descriptor, os.fsencode(path), IN_MODIFY) < 0:
        os.close(descriptor)
        return None
    return descriptor
