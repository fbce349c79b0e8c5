"""Rendering pages into a file of slots, in this process or in many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.data.grey import PageError
from shared.errors import UserError

PAGES_PER_TASK = 8
TASKS_IN_FLIGHT_PER_WORKER = 3

Render = Callable[[Any, int], np.ndarray]
CountPages = Callable[[Any], int] | None
Task = list[tuple[int, str | int]]  # slot and key of each page


class Result(NamedTuple):
    """What became of one page."""

    slot: int
    crc: int  # of the pixels as written
    reason: str | None  # why it was rejected; None: its pixels are in the file
    pages: int = 1  # in its file


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def write_at(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of `data` at an offset (the system call may write less)."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def render_task(task: Task, render: Render, size: int, images: Path, count: CountPages = None) -> list[Result]:
    """Render pages and write each into its slot of `images`.

    Raises:
        OSError: the file can't be written (a full disk).
    """
    results = []
    descriptor = os.open(images, os.O_WRONLY)
    try:
        for slot, key in task:
            try:
                pixels = render(key, size).tobytes()
            except PageError as error:
                results.append(Result(slot, 0, str(error)))
                continue
            write_at(descriptor, pixels, slot * size * size)
            results.append(Result(slot, zlib.crc32(pixels), None, count(key) if count else 1))
    finally:
        os.close(descriptor)
    return results


def follow_parent(last_act: Callable[[], None] | None = None) -> None:
    """Start-up of a worker: Ctrl-C is the parent's business, and with the parent gone this process ends too.

    Args:
        last_act: called before it ends for that reason.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        if last_act:
            last_act()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back: a process started meanwhile inherits that, and can't die of it before it is set up."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def render_parallel(
    tasks: Sequence[Task], render: Render, size: int, images: Path, count: CountPages, workers: int
) -> Iterator[list[Result]]:
    """`render_task` over worker processes; yields each task's results as it ends, in any order."""
    waiting = iter(tasks)
    running: set[Future[list[Result]]] = set()
    # spawned, not forked: the caller may have threads (a progress bar), and a fork copies their locks
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=follow_parent)
    try:
        while True:
            for task in waiting:
                with interrupts_held():
                    running.add(pool.submit(render_task, task, render, size, images, count))
                if len(running) == workers * TASKS_IN_FLIGHT_PER_WORKER:
                    break
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise UserError(
            "a process that reads pages was killed (out of memory?); finished pages are kept: "
            "run the same command again, with fewer --workers"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def render_all(
    pages: Sequence[tuple[int, str | int]],
    render: Render,
    size: int,
    images: Path,
    workers: int,
    count: CountPages = None,
) -> Iterator[list[Result]]:
    """Render pages into their slots of an existing file.

    Args:
        pages: slot and key of each.
        render: see `bench.data.source.Source`.
        size: height and width, pixels; a slot is size * size bytes.
        images: the file of slots.
        workers: processes at most; never more than there are cores, and none beside this one if that is 1.
        count: gives the number of pages in a document's file.

    Yields:
        Results of a few pages at a time, in any order.

    Raises:
        OSError: the file can't be written.
        UserError: a worker process was killed.
    """
    tasks = [list(pages[i : i + PAGES_PER_TASK]) for i in range(0, len(pages), PAGES_PER_TASK)]
    processes = min(workers, usable_cores(), len(tasks))
    if processes > 1:
        yield from render_parallel(tasks, render, size, images, count, processes)
    else:
        for task in tasks:
            yield render_task(task, render, size, images, count)
