"""Processes that read pages, one page at a time each, under a time limit that holds whatever the engine does."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

import psutil

from bench.data.ocr_worker import NextPage, Reading, Work, serve
from bench.data.page_text import NOTHING, PageText
from bench.data.pages import interrupts_held, usable_cores
from shared.errors import UserError

START_SECONDS = 120  # for a process to import its engine and load the models
DEATHS_IN_A_ROW = 5  # of reading processes: then it is not the pages


class Reader:
    """A reading process, seen from outside."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")  # see `bench.data.pages.render_parallel`
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, work), daemon=True)
        with interrupts_held():
            self.process.start()
        theirs.close()
        self.slot: int | None = None  # of the page it is reading
        self.ready = False
        self.deadline = time.monotonic() + START_SECONDS

    @property
    def idle(self) -> bool:
        """Whether it waits for a page."""
        return self.ready and self.slot is None

    def give(self, slot: int, key: Any, seconds: float) -> None:
        """Let it read a page."""
        self.slot, self.deadline = slot, time.monotonic() + seconds
        with suppress(OSError):  # it has died: `take` will see that
            self.connection.send(key)

    def take(self) -> tuple[PageText, str | None] | NextPage | None:
        """Its answer; None: it is ready; NextPage: it goes on with the same document.

        Raises:
            EOFError, OSError: it has died.
        """
        answer: tuple[PageText, str | None] | NextPage | None = self.connection.recv()
        if not isinstance(answer, NextPage):
            self.ready, self.slot = self.ready or answer is None, None
        return answer

    def kill(self) -> None:
        """End it and what it has started."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.process.pid)
            process.suspend()  # or it might start another program meanwhile
            for child in process.children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        self.process.kill()
        self.process.join()
        self.connection.close()


class ReaderPool:
    """Reading processes and the pages that wait for them."""

    def __init__(self, pages: Sequence[tuple[int, Any]], work: Work, workers: int) -> None:
        self.work = work
        self.waiting = deque(pages)
        self.workers = min(workers, usable_cores())
        self.readers: list[Reader] = []
        self.deaths = 0  # in a row

    def make_ready(self) -> None:
        """Start the processes and wait for them, before the first page."""
        self.start_processes()
        while not all(reader.ready for reader in self.readers):
            for _ in self.collect():
                pass  # no page is given out yet

    def run(self) -> Iterator[Reading]:
        """Read all pages, see `read_pages`; ends the processes."""
        try:
            while self.waiting or any(reader.slot is not None for reader in self.readers):
                self.start_processes()
                self.hand_out()
                yield from self.collect()
        finally:
            self.close()

    def start_processes(self) -> None:
        """Start processes up to the number that has something to do."""
        busy = sum(reader.slot is not None for reader in self.readers)
        while len(self.readers) < min(self.workers, busy + len(self.waiting)):
            self.readers.append(Reader(self.work))

    def hand_out(self) -> None:
        """Give a page to each process that waits."""
        for reader in self.readers:
            if reader.idle and self.waiting:
                reader.give(*self.waiting.popleft(), self.work.seconds)

    def collect(self) -> Iterator[Reading]:
        """Wait for an answer or a deadline; yields what came of it."""
        active = [reader for reader in self.readers if not reader.idle]
        left = min(reader.deadline for reader in active) - time.monotonic()
        answered = wait([reader.connection for reader in active], max(0.0, left))
        for reader in active:
            slot = reader.slot
            if reader.connection in answered:
                try:
                    answer = reader.take()
                except (EOFError, OSError):
                    yield self.lost(reader, slot, "the process that read it died")
                    continue
                if isinstance(answer, NextPage):
                    reader.deadline = time.monotonic() + self.work.seconds
                    continue
                if answer is not None and slot is None:
                    raise self.cannot_start(str(answer[1]))
                if answer is not None and slot is not None:
                    self.deaths = 0
                    yield Reading(slot, *answer)
            elif reader.deadline <= time.monotonic():
                yield self.lost(reader, slot, f"took longer than {self.work.seconds:g} s")

    def lost(self, reader: Reader, slot: int | None, reason: str) -> Reading:
        """Take leave of a process that died or is too slow.

        Raises:
            UserError: it was not ready yet, or too many have died one after another.
        """
        self.readers.remove(reader)
        reader.kill()
        if slot is None:
            raise self.cannot_start(f"its process ended or was not ready after {START_SECONDS} s")
        if "died" in reason:
            self.deaths += 1
            reason = f"{reason} (exit code {reader.process.exitcode})"
            if self.deaths == DEATHS_IN_A_ROW:
                raise UserError(
                    f"{self.work.engine.name}: {self.deaths} processes died one after another (out of memory?); "
                    "finished pages are kept: run the same command again, with fewer --workers"
                )
        return Reading(slot, NOTHING, reason)

    def cannot_start(self, reason: str) -> UserError:
        """The error of an engine that never got to a page."""
        return UserError(f"{self.work.engine.name} cannot be started ({reason}); install it again")

    def close(self) -> None:
        """End all processes."""
        while self.readers:
            self.readers.pop().kill()


def read_pages(pages: Sequence[tuple[int, Any]], work: Work, workers: int) -> Iterator[Reading]:
    """Read pages.

    Args:
        pages: slot and key of each.
        workers: processes at most; never more than there are cores.

    Returns:
        one Reading a page, as they end, in any order. A page whose process died or took longer than `work.seconds`
        is one that failed; the others go on.

    Raises:
        UserError: the engine cannot be started, or its processes die one after another.
    """
    return ReaderPool(pages, work, workers).run()
