"""Inference: what one request takes, and how many samples a second are answered, at each batch size.

A request is a batch of real documents of the store's test split, in the split's order, from its beginning again where
it ends; it is as wide as its longest document asks for, as a batch of an evaluation is. Requests lie in the host's
memory before anything is timed. A call is timed from there to its logits on the host. Each replica answers its own.

For every batch size: the first call of each shape, which traces and compiles, by itself; a warm-up, until the calls'
time stands still; then the window, over all batch sizes. In it are, of each, calls one by one (latency), calls with the
preparation of their input before them (end to end), and calls of which none is waited for but the last (throughput).
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from shared.batches import EvalBatches
from shared.errors import UserError
from shared.events import EventWriter
from shared.families import family_of
from shared.out_of_memory import out_of_memory
from shared.preparation import Preparation, preparation_of
from shared.protocol import Cell
from shared.store import Store
from shared.turns import Turns
from shared.warmup import WarmUp, most_steps
from shared.wing import Wing

SPLIT = "test"  # whose documents are asked about
MOST_DOCUMENTS = 256  # that requests of one batch size are made of, as far as there are so many
MOST_REQUESTS = 64  # of one batch size
LOOP_SECONDS = 5.0  # that the calls of one kind should take at a batch size
FEWEST_CALLS, MOST_CALLS = 20, 200  # whatever they take; with fewer than a hundred the 99th percentile is a guess
LEAST_WARMUP = 5  # calls
OTHER_BATCH = 2  # that an export is tried at, beside those that are timed

Call = Callable[[Any], list[np.ndarray]]  # a request's logits, on the host


@dataclass(frozen=True)
class Requests(EvalBatches):
    """Batches of a split without end: after its last document comes its first again, and every row is a document."""

    def samples(self, index: int, replica: int) -> np.ndarray:
        """Sample indices (int64) of request `index` of a replica; as many as the batch has rows."""
        size = self.workload.train.batch_per_replica
        first = (index * self.replicas + replica) * size
        return np.take(self.indices, np.arange(first, first + size), mode="wrap")

    def width(self, index: int) -> int:
        """How wide request `index` is, of all replicas."""
        together = np.concatenate([self.samples(index, replica) for replica in range(self.replicas)])
        return int(family_of(self.workload).width(self.store, self.workload, together))

    @property
    def num_distinct(self) -> int:
        """Requests until all documents were in one, or MOST_DOCUMENTS."""
        documents = min(len(self.indices), MOST_DOCUMENTS)
        size = self.replicas * self.workload.train.batch_per_replica
        return max(1, min(MOST_REQUESTS, -(-documents // size)))


def requests_of(cell: Cell, store: Store, size: int) -> Requests:
    """The requests of a batch size.

    Raises:
        UserError: the store has no document to ask about.
    """
    if not len(store.indices(SPLIT)):
        raise UserError(f"{store.path}: its {SPLIT} split is empty, and inference asks about its documents")
    workload = cell.workload.overridden({"train.batch_per_replica": size}, "--batches")
    return Requests(store, workload, SPLIT, cell.replicas)


@dataclass
class Served:
    """One batch size: its requests and what came of them."""

    wing: Wing
    requests: Requests
    runtime: Any = None  # what answers in place of the wing
    widths: list[int] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    stationary: bool | None = None
    pace: float = 0.0  # seconds a call, as the warm-up ends
    allocator_peak: int | None = None

    def __post_init__(self) -> None:
        self.size = self.requests.workload.train.batch_per_replica
        self.make = self.wing.requests(self.requests)
        self.hosts = [self.make(index) for index in range(self.requests.num_distinct)]
        self.server = self.wing if self.runtime is None else self.runtime
        self.widths = sorted({self.requests.width(index) for index in range(len(self.hosts))})

    def call(self, number: int) -> list[np.ndarray]:
        """Call `number`, waited for: the logits of each replica of this process."""
        return self.server.answers(self.server.infer(self.hosts[number % len(self.hosts)]))

    def first_calls(self) -> Iterator[float]:
        """The seconds of the first call of each shape."""
        seen: set[int] = set()
        for index in range(len(self.hosts)):
            if (width := self.requests.width(index)) not in seen:
                seen.add(width)
                began = time.perf_counter()
                self.call(index)
                self.first.append(time.perf_counter() - began)
                yield self.first[-1]

    def warm_up(self, least: int) -> None:
        """Calls until their time stands still, or for long enough."""
        least = max(least, LEAST_WARMUP)
        watched, began, number = WarmUp(least, most_steps(least) - least), time.perf_counter(), 0
        while not watched.is_over(number):
            if watched.is_checkpoint(number):
                watched.check(number, time.perf_counter(), 1.0)
            self.call(number)
            number += 1
        self.stationary = watched.is_stationary
        self.pace = (time.perf_counter() - began) / number

    def one_by_one(self, count: int, turns: Turns) -> tuple[list[float], list[float]]:
        """The seconds of calls that are waited for each, and of each turn the median of its calls."""
        seconds: list[float] = []
        of_turns: list[float] = []
        while len(seconds) < count:
            left = count - len(seconds)
            if turns.taken:
                left = min(left, int(self.wing.largest(float(turns.wait(self.pace)))))
            self.wing.synchronize()
            began = time.perf_counter()
            for number in range(len(seconds), len(seconds) + max(1, left)):
                self.call(number)
                ended = time.perf_counter()
                seconds.append(ended - began)
                began = ended
            if turns.taken:
                of_turns.append(median(seconds[-max(1, left) :]))
        return seconds, of_turns

    def end_to_end(self, count: int, prepare: Preparation) -> tuple[list[float], list[float]]:
        """The seconds that preparing a request takes, and those until its logits are on the host."""
        prepared: list[float] = []
        whole: list[float] = []
        self.wing.synchronize()
        for number in range(count):
            index = number % len(self.hosts)
            began = time.perf_counter()
            prepare(index)
            host = self.make(index)
            ready = time.perf_counter()
            self.server.answers(self.server.infer(host))
            prepared.append(ready - began)
            whole.append(time.perf_counter() - began)
        return prepared, whole

    def back_to_back(self, count: int) -> float:
        """The seconds of calls of which only the last is waited for, after all before it."""
        self.wing.synchronize()
        began = time.perf_counter()
        for number in range(count):
            last = self.server.infer(self.hosts[number % len(self.hosts)])
        self.server.answers(last)
        seconds = time.perf_counter() - began
        self.wing.synchronize()
        return seconds


def infer(cell: Cell, wing: Wing, store: Store, emit: EventWriter, process_started: float) -> None:
    """Answer requests of every batch size of a cell, and report what they took.

    A batch size for which the memory is too small ends the larger ones; those before it are reported all the same.

    Args:
        process_started: time.perf_counter() when this process began; the time to the first answer counts from there.

    Raises:
        UserError: no documents to ask about, an export that fails or gives other logits.
    """
    runtime = None
    if cell.runtime != "framework":
        from shared.onnx_runtime import exported

        emit("phase", name="export")
        runtime = exported(cell, wing, examples(cell, wing, store), emit)
    turns = Turns(wing.rank)
    emit("phase", name="warmup")
    if turns.taken:
        wing.largest(float(turns.wait(0.0)))  # the warm-up is a turn of its own
    served: list[Served] = []
    failed: dict[str, Any] | None = None
    for size in cell.batches:
        try:
            each = Served(wing, requests_of(cell, store, size), runtime)
            for _ in each.first_calls():
                if not served and len(each.first) == 1:
                    emit("first_step", seconds=time.perf_counter() - process_started)
            each.warm_up(cell.workload.measure.warmup_steps)
        except Exception as error:
            short = out_of_memory(error)
            # with several ranks the others would wait for one that has left
            if short is None or cell.replicas > 1 or not served:
                raise
            failed = {"batch": size, "failure": f"out of memory: {short}"}
            break
        served.append(each)
    counts = [int(wing.largest(float(num_calls(cell, each.pace)))) for each in served]
    kinds = 1 if turns.taken else 3
    emit("phase", name="measure", seconds=kinds * sum(n * each.pace for n, each in zip(counts, served, strict=True)))
    for each, count in zip(served, counts, strict=True):
        emit("latency", **measured(cell, wing, store, each, count, turns))
    turns.leave()
    if failed is not None:
        nothing: dict[str, Any] = {name: [] for name in ("widths", "first", "seconds", "prepare", "whole", "turns")}
        unknown = {"back_to_back": None, "stationary": None, "allocator_peak": None}
        emit("latency", replicas=wing.local_replicas, rss_peak=rss_peak(), **nothing, **unknown, **failed)
    emit("phase", name="end")


def examples(cell: Cell, wing: Wing, store: Store) -> list[Any]:
    """A request of every batch size and width, the first and the last of which differ in all that may differ."""
    sizes = sorted({*cell.batches, OTHER_BATCH, OTHER_BATCH + 1})  # one alone: an exporter may take 1 for a constant
    found: dict[tuple[int, int], Any] = {}
    for size in sizes:
        requests = requests_of(cell, store, size)
        make = wing.requests(requests)
        for index in range(requests.num_distinct):
            key = (size, requests.width(index))
            if key not in found:
                found[key] = make(index)
    return [found[key] for key in sorted(found)]


def measured(cell: Cell, wing: Wing, store: Store, served: Served, count: int, turns: Turns) -> dict[str, Any]:
    """The figures of one batch size, as its event has them. Where turns are taken there is only the latency."""
    wing.reset_allocator_peak()
    seconds, of_turns = served.one_by_one(count, turns)
    found: dict[str, Any] = {"prepare": [], "whole": [], "back_to_back": None}
    if not turns.taken:
        prepare = preparation_of(cell, wing, store, served.requests, range(len(served.hosts)))
        if prepare is not None:
            found["prepare"], found["whole"] = served.end_to_end(count, prepare)
        found["back_to_back"] = served.back_to_back(count)
    return {
        "batch": served.size,
        "replicas": wing.local_replicas,
        "widths": served.widths,
        "first": served.first,
        "seconds": seconds,
        **found,
        "stationary": served.stationary,
        "rss_peak": rss_peak(),
        "allocator_peak": wing.allocator_peak(),
        "turns": of_turns,
    }


def num_calls(cell: Cell, pace: float) -> int:
    """Timed calls of a batch size.

    Args:
        pace: seconds of one.
    """
    if cell.calls:
        return cell.calls
    return int(min(MOST_CALLS, max(FEWEST_CALLS, LOOP_SECONDS / pace if pace > 0 else MOST_CALLS)))


def rss_peak() -> int:
    """Peak bytes of this process's resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
