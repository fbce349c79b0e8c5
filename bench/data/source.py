"""What a store is made from: a list of pages and a function that turns one of them into pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# Part of every source's fingerprint: raise it when the same inputs would give other pixels, labels or splits.
PREPARATION_VERSION = 1


class Page(NamedTuple):
    """One page before it is decoded. A plain tuple: RVL-CDIP has 400,000 of them, and workers are sent them."""

    key: str | int  # what `Source.render` needs: a file's path, a synthetic page's number, a row of another store
    label: int
    split: str  # one of shared.store.SPLITS; "" while the source has no split of its own
    name: str  # unique, the same wherever the data lies: listed if rejected, decides the order of a seeded split
    stamp: str = ""  # changes when the page's content may have changed (a file's length and time of change)


@dataclass(frozen=True)
class Source:
    """Pages with labels and splits.

    `render(key, size)` returns uint8, size x size, or raises `bench.data.decode.PageError`. It runs in worker
    processes, so it is a module's function or a `functools.partial` of one, and depends on its arguments alone.
    """

    name: str  # kind of the source, stored as the store's name
    classes: list[str]
    pages: list[Page]
    render: Callable[[Any, int], np.ndarray]
    arguments: dict[str, Any]  # what else decides the content: seed, split, limit, ... never a path
    path: str = ""  # for the manifest alone
    rejected: list[dict[str, str]] = field(default_factory=list)  # by an earlier preparation

    def fingerprint(self, size: int) -> str:
        """Hash of everything that decides the store's content, without reading a page.

        Equal fingerprints let a half-made store be continued and a finished one be taken for the one asked for.
        """
        header = [PREPARATION_VERSION, self.name, self.classes, self.arguments, size]
        checksum = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for page in self.pages:
            checksum.update(f"{page.name}\0{page.label}\0{page.split}\0{page.stamp}\n".encode())
        return checksum.hexdigest()[:32]


def file_stamp(path: Path) -> str:
    """A file's length and time of change."""
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
