"""Files that are written whole or not at all, with the rights that the user's other new files have."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from shared.errors import UserError

TEMPORARY = ".writing"  # how the name of a file ends that is not whole yet


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file under a temporary name beside it, flush it to disk, rename it: it is whole or absent.

    What is there and is no regular file (a terminal, a pipe, /dev/null) is written to as it is: a rename would put a
    file in its place.

    Raises:
        OSError: it cannot be written; what was there before is still there.
    """
    data = content if isinstance(content, bytes) else content.encode("utf-8", errors="replace")
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with temporary.open("xb") as file:  # a new file, with the user's umask; `tempfile` would make it private
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:  # an interrupt too must leave nothing behind
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_for_user(path: Path, content: str | bytes, advice: str = "name another file") -> None:
    """The same for a file that the user named.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_atomically(path, content)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be written ({reason}); {advice}") from None


def remove_temporaries(folder: Path) -> None:
    """Remove what `write_atomically` left in a folder when it was killed; only for who alone writes there."""
    for path in folder.glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)
