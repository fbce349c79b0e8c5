"""A wing that trains nothing on a clock that nothing moves, and what a cell reports through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from shared import session
from shared.batches import EvalBatches, TrainBatches
from shared.events import Event, EventWriter, read_events
from shared.protocol import Cell
from shared.store import Store
from tests import tiny, tiny_text

STEP, FIRST, WAIT = 2.0, 50.0, 0.25  # seconds on the fake clock: a step, the first one, a synchronisation
PART_SECONDS = {"step": 2.25, "forward_backward": 1.5, "overhead": 0.25, "optimizer": 0.5, "copy": 0.125}
LOGIT = 3.0  # of the class that the fake wing predicts; those of the others are 0
LOSS_RIGHT, LOSS_WRONG = np.log(np.exp(LOGIT) + 15) - LOGIT, np.log(np.exp(LOGIT) + 15)


class Clock:
    """Time that passes only where the fake wing says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeWing:
    """Writes down what it is asked to do. One process for `local_replicas` replicas."""

    def __init__(self, clock: Clock, local_replicas: int = 1, rank: int = 0, compiled_at: tuple[int, ...] = ()) -> None:
        self.clock, self.local_replicas, self.rank = clock, local_replicas, rank
        self.compiled_at = compiled_at  # steps for which the training step is compiled
        self.calls: list[str] = []
        self.rates: list[float] = []
        self.batches: list[Any] = []
        self.waited_for: list[int] = []
        self.peaks: list[int] = []  # bytes, a step: of an allocator that frees all of it; none on a CPU
        self.counted_from = 0

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
        self.calls.append(f"stream {num_steps}")
        return iter(range(num_steps))

    def resident_batch(self, batches: TrainBatches) -> Any:
        self.calls.append("resident")
        return "resident"

    def train_step(self, batch: Any, rate: float) -> int:
        self.clock.now += STEP if self.rates else FIRST
        self.calls.append("step")
        self.rates.append(rate)
        self.batches.append(batch)
        return len(self.rates)

    def freeze(self) -> None:
        self.calls.append("freeze")

    def loss_value(self, loss: int) -> float:
        self.waited_for.append(loss)
        return float(loss)

    def synchronize(self) -> None:
        self.clock.now += WAIT
        self.calls.append("synchronize")

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        """The right class for every sample but the split's first; rows that only fill up are as confident of class 0,
        the label that they seem to have."""
        self.calls.append(f"predict {batches.split} {batches.replicas}")
        for index in range(batches.num_batches):
            replicas = range(self.rank * self.local_replicas, (self.rank + 1) * self.local_replicas)
            yield [self.logits(batches, index, replica) for replica in replicas]

    def logits(self, batches: EvalBatches, index: int, replica: int) -> np.ndarray:
        samples, store = batches.samples(index, replica), batches.store
        logits = np.zeros((batches.workload.train.batch_per_replica, len(store.classes)), np.float32)
        logits[len(samples) :, 0] = LOGIT
        for row, sample in enumerate(samples):
            logits[row, (store.labels[sample] + (sample == batches.indices[0])) % len(store.classes)] = LOGIT
        return logits

    def largest(self, value: float) -> float:
        return value

    def total(self, values: Sequence[float]) -> list[float]:
        return list(values)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        self.calls.append("average in place")
        yield
        self.calls.append("average out of place")

    def keep(self) -> None:
        self.calls.append("keep")

    def restore(self) -> None:
        self.calls.append("restore")

    def settle(self) -> None:
        self.calls.append("settle")

    def parts(self, batches: TrainBatches) -> dict[str, Callable[[], object]]:
        self.calls.append("parts")
        return {name: lambda seconds=seconds: self.clock.advance(seconds) for name, seconds in PART_SECONDS.items()}

    def num_traces(self) -> int:
        return sum(step < len(self.rates) for step in self.compiled_at)

    def allocator_peak(self) -> int | None:
        return max(self.peaks[self.counted_from : len(self.rates)]) if self.peaks else None

    def reset_allocator_peak(self) -> None:
        self.calls.append("reset the peak")
        self.counted_from = len(self.rates)

    def settings(self) -> dict[str, Any]:
        return {"layout": "fake"}

    def save(self, path: str) -> None:
        self.calls.append(f"save {path}")


def run(cell: Cell, wing: FakeWing, store: Store) -> list[Event]:
    path = Path(cell.directory) / f"events.{wing.rank}.jsonl"
    session.run_cell(cell, wing, store, EventWriter(path, wing.rank), process_started=990.0)  # type: ignore[arg-type]
    return read_events(path)


def page_cell(directory: Path, store: Store, warmup: int = 2, measured: int = 3, **changes: Any) -> Cell:
    """A cell of pages, two per replica; one replica and no epochs if nothing else is said."""
    workload = tiny.workload(measure__warmup_steps=warmup, measure__measured_steps=measured)
    return tiny.make_cell(directory, store.path, **({"workload": workload, "epochs": 0} | changes))


def text_cell(directory: Path, store: Store, **changes: Any) -> Cell:
    """A cell of texts, four per replica: two steps to warm up, three measured."""
    workload = tiny_text.workload(measure__warmup_steps=2, measure__measured_steps=3)
    return tiny.make_cell(directory, store.path, **({"workload": workload, "epochs": 0} | changes))
