"""What a store is made from: a list of documents, a function that turns one into pixels, and where its text is from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from bench.data.partial import Partial

# Part of every source's fingerprint: raise it when the same inputs would give other pixels, labels or splits.
PREPARATION_VERSION = 3


def text_stamp(text: str) -> str:
    """The stamp of a document of text: a hash of it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


EMPTY_STAMP = text_stamp("")


def counted(number: int, noun: str) -> str:
    """A number of things, in words.

    >>> counted(1, "page"), counted(3, "page")
    ('1 page', '3 pages')
    """
    return f"{number:,} {noun}{'s' * (number != 1)}"


Progress = Callable[[str, int, int], None]  # called with (what is being done, done so far, of how many)


class Page(NamedTuple):
    """One document before it is read. A plain tuple: RVL-CDIP has 400,000 of them, and workers are sent them."""

    key: str | int  # what `Source.render` needs: a file's path, a synthetic page's number, a row of another store
    label: int | tuple[int, ...]  # a tuple where documents may have several labels
    split: str  # one of shared.store.SPLITS; "" while the source has no split of its own
    name: str  # unique, the same wherever the data lies: listed if rejected, decides the order of a seeded split
    stamp: str = ""  # changes when the content may have changed (a file's length and time of change; a text's hash)


@dataclass(frozen=True)
class TextJob:
    """What a `TextPart` is told when the pages are decoded."""

    partial: Partial  # text goes into its `store`
    pages: list[Page]
    kept: list[int]  # rows of `pages` that become rows of the store, in order
    workers: int
    progress: Progress


class TextOutcome(NamedTuple):
    """What a `TextPart` has done."""

    facts: dict[str, Any]  # for the manifest
    num_resumed: int = 0  # documents that an earlier, interrupted call had read


class TextPart(Protocol):
    """Where the text of a source's documents is from."""

    def identity(self) -> Any:
        """What decides the text beside the pages' own stamps, fit for JSON: part of the source's fingerprint."""
        ...

    def write(self, job: TextJob) -> TextOutcome:
        """Write the text of the kept documents, and what else is known of it, into the store in the making."""
        ...


@dataclass(frozen=True)
class Source:
    """Documents with labels and splits.

    `render(key, size)` returns uint8, size x size, or raises `bench.data.grey.PageError`; `image(key)` returns the
    page at a legible resolution, for OCR, or raises the same. Both run in worker processes, so they are a module's
    function or a `functools.partial` of one, and depend on their arguments alone.
    """

    name: str  # kind of the source, stored as the store's name
    classes: list[str]
    pages: list[Page]
    render: Callable[[Any, int], np.ndarray] | None  # None: documents of text alone
    arguments: dict[str, Any]  # what else decides the content: seed, split, limit, ... never a path
    path: str = ""  # for the manifest alone
    rejected: list[dict[str, str]] = field(default_factory=list)  # by its reader, or an earlier preparation
    image: Callable[[Any], Image.Image] | None = None
    text: TextPart | None = None
    multi_label: bool = False
    notes: list[str] = field(default_factory=list)  # what its reader has to say, for the manifest and the summary
    num_pages: Callable[[Any], int] | None = None  # pages in a document's file; None: always one
    later_pages: Callable[[Any], Iterator[Image.Image]] | None = (
        None  # those behind the first, where OCR reads them too
    )

    def fingerprint(self, size: int) -> str:
        """Hash of everything that decides the store's content, without reading a page.

        Equal fingerprints let a half-made store be continued and a finished one be taken for the one asked for.
        """
        header: list[Any] = [PREPARATION_VERSION, self.name, self.classes, self.arguments]
        header += [size if self.render else None, self.text.identity() if self.text else None]
        checksum = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        for page in self.pages:
            line = f"{page.name}\0{page.label}\0{page.split}\0{page.stamp}\n"
            checksum.update(line.encode(errors="surrogatepass"))
        return checksum.hexdigest()[:32]


def file_stamp(path: Path) -> str:
    """A file's length and time of change."""
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
