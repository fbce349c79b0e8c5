"""The inside of a process that reads pages, and what it is told and answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil
from PIL import Image

from bench.data.grey import PageError
from bench.data.page_text import NOTHING, PageText, joined, page_text
from bench.data.pages import follow_parent
from shared.words import Word

REASON_LENGTH = 200  # characters


class Engine(Protocol):
    """Something that reads pages. It is sent to other processes, so it holds settings only, no models."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def language(self) -> str: ...

    def start(self) -> Callable[[Image.Image], list[list[Word]]]:
        """Load what it needs into this process, for one thread; returns the function that reads a grey page.

        That returns lines of words with boxes in thousandths of the page, and may raise anything.
        """
        ...


class Reading(NamedTuple):
    """What became of one page."""

    slot: int
    text: PageText
    reason: str | None  # why the engine failed; None: it did not


@dataclass(frozen=True)
class Work:
    """What every reading process is told."""

    engine: Engine
    image: Callable[[Any], Image.Image]  # key of a page to the page, see `bench.data.source.Source`
    seconds: float  # at most, for opening and reading a page
    scratch: Path  # folder for temporary files
    later: Callable[[Any], Iterator[Image.Image]] | None = None  # pages behind the first, whose text is read too


class NextPage(NamedTuple):
    """Said by a reading process between two pages of a document: the time limit begins anew."""

    number: int


def one_line(error: Exception) -> str:
    """The last line of an error's message, with its kind."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1].strip() if lines else 'no message'}"[:REASON_LENGTH]


def serve(connection: Connection, work: Work) -> None:
    """Body of a reading process: says None when it is ready, then answers each key with (text, reason)."""
    follow_parent(end_children)
    tempfile.tempdir = str(work.scratch)
    try:
        read = work.engine.start()
    except Exception as error:  # an engine is foreign code
        connection.send((NOTHING, one_line(error)))
        return
    connection.send(None)
    while True:
        try:
            key = connection.recv()
        except EOFError:  # the parent is gone
            return
        try:
            answer: tuple[PageText, str | None] = read_document(key, work, read, connection), None
        except PageError as error:
            answer = NOTHING, str(error)
        except Exception as error:  # likewise; a page that it cannot read is one without text
            answer = NOTHING, one_line(error)
        connection.send(answer)


def read_document(
    key: Any, work: Work, read: Callable[[Image.Image], list[list[Word]]], connection: Connection
) -> PageText:
    """The text of a document; of several pages, where that is asked for, joined by line ends.

    Its words, which have places, are the first page's alone: so are the pixels.
    """
    first = page_text(read(work.image(key)))
    if work.later is None:
        return first
    texts = [first]
    for number, image in enumerate(work.later(key), start=2):
        connection.send(NextPage(number))
        texts.append(page_text(read(image)))
    return joined(texts)


def end_children() -> None:
    """Kill what this process has started (a program that is reading a page)."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
