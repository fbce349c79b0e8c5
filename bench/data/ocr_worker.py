"""The inside of a process that reads pages, and what it is told and answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil
from PIL import Image

from bench.data.decode import PageError
from bench.data.page_text import NOTHING, PageText, page_text
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
            answer: tuple[PageText, str | None] = page_text(read(work.image(key))), None
        except PageError as error:
            answer = NOTHING, str(error)
        except Exception as error:  # likewise; a page that it cannot read is one without text
            answer = NOTHING, one_line(error)
        connection.send(answer)


def end_children() -> None:
    """Kill what this process has started (a program that is reading a page)."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
