"""What both wings' workers do alike: the skeleton of a wing, and a worker's way from its cell to its exit status."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.events import EventWriter
from shared.out_of_memory import out_of_memory
from shared.protocol import EXIT_OUT_OF_MEMORY, Cell
from shared.session import open_cell_store, process_start_time, run_cell
from shared.wing import Wing


class Replicas(Protocol):
    """A wing's replicas, as far as the skeleton asks."""

    @property
    def rank(self) -> int: ...

    @property
    def count(self) -> int: ...

    @property
    def local(self) -> int: ...

    def synchronize(self) -> None: ...

    def require_placed(self, what: str, values: Sequence[Any]) -> None: ...


class Data(Protocol):
    """A wing's `data` module."""

    PREFETCH: int
    stream: Callable[..., Iterator[Any]]
    resident: Callable[..., Any]
    on_host: Callable[..., Any]
    to_device: Callable[..., Any]


class BaseWing(ABC):
    """A wing without its framework. `shared.wing.Wing` is the contract, and says what the methods mean."""

    data: Data
    step: Any  # the wing's Step

    def __init__(self, cell: Cell, group: Replicas, family: Any) -> None:
        """
        Args:
            family: the wing's room of the cell's family.
        """
        self.cell, self.group, self.family = cell, group, family
        self.rank, self.local_replicas = group.rank, group.local
        self.kept: Any = None  # tensors of the best epoch so far
        self.placed = False  # whether the step's results were seen to lie where they should

    def _load(self, batches: TrainBatches | EvalBatches) -> tuple[Any, Any]:
        """What makes a batch, and what finishes it: a library's own way in the native arm."""
        return self.family.native_loading(batches, self.cell) if self.cell.arm == "native" else (batches.batch, None)

    def _stream(self, batches: TrainBatches | EvalBatches, count: int) -> Iterator[Any]:
        load, finish = self._load(batches)
        return self.data.stream(load, count, self.cell.loader_workers, self.group, finish)

    def train_batches(self, batches: TrainBatches, num_steps: int) -> Iterator[Any]:
        """Device-ready batches."""
        return self._stream(batches, num_steps)

    def resident_batch(self, batches: TrainBatches) -> Any:
        """The first batch."""
        load, finish = self._load(batches)
        return self.data.resident(load, self.group, finish)

    def train_step(self, batch: Any, learning_rate: float) -> Any:
        """One optimizer step."""
        loss = self.step.train(batch, learning_rate)
        if not self.placed:
            self.group.require_placed("the loss", [loss])
            self.placed = True
        return loss

    def freeze(self) -> None:
        """Second stage: the classifier alone."""
        self.step.freeze()

    def requests(self, batches: EvalBatches) -> Callable[[int], Any]:
        """What makes batch k and leaves it in the host's memory."""
        load, finish = self._load(batches)
        return lambda index: self.data.on_host(lambda _, replica: load(index, replica), self.group, finish)

    def reads_texts(self, batches: EvalBatches) -> bool:
        """Whether its batches are made from texts."""
        return self._load(batches)[1] is not None

    def averaged(self) -> AbstractContextManager[None]:
        """The average in the weights' place."""
        context: AbstractContextManager[None] = self.step.averaged()
        return context

    def keep(self) -> None:
        """A copy of the network's tensors."""
        self.kept = self.step.tensors()

    def restore(self) -> None:
        """The copy in the network's place."""
        assert self.kept is not None, "nothing was kept"
        self.step.average = None
        self.step.put(self.kept)
        self.kept = None

    def settle(self) -> None:
        """The average in the weights' place."""
        self.step.settle()

    def loss_value(self, loss: Any) -> float:
        """Wait for a loss and read it."""
        return float(loss)

    def synchronize(self) -> None:
        """Wait for the devices and the other ranks."""
        self.group.synchronize()

    def parts(self, batches: TrainBatches) -> dict[str, Callable[[], object]]:
        """The parts of a step, each by itself."""
        load, finish = self._load(batches)
        waiting = self.data.on_host(load, self.group, finish)
        batch = self.data.to_device(waiting, self.group)
        smallest = self.data.resident(lambda _, __: batches.smallest(), self.group)
        return {
            "step": lambda: self.step.train(batch, 0.0),
            "forward_backward": lambda: self.step.backward(batch),
            "overhead": lambda: self.step.backward(smallest),
            "optimizer": self.step.updates(batch),
            "copy": lambda: self.data.to_device(waiting, self.group),
        }

    def settings(self) -> dict[str, Any]:
        """What this process really uses."""
        of_arm = self.family.native_settings if self.cell.arm == "native" else self.family.settings
        return {
            **self.framework_settings(),
            "num_classes": self.cell.workload.model.num_classes,
            "layout": "channels-last",
            "precision": self.cell.precision,
            **of_arm,
            "loader_workers": self.cell.loader_workers,
            "loader_pool": self.cell.loader_workers * self.group.local,
            "prefetch": self.data.PREFETCH,
            "weights": self.cell.weights or f"seeded start {self.cell.seed}",
        }

    @abstractmethod
    def framework_settings(self) -> dict[str, Any]:
        """The settings that only the framework knows."""


def run_worker(
    rank: int,
    start: Callable[[Cell], Any],
    make_wing: Callable[[Cell, Any], Wing],
    stop: Callable[[], None],
) -> int:
    """Run the cell that the command line names; the exit status tells the harness how it went.

    Args:
        start: makes the wing's replicas. stop: leaves them.
    """
    started = process_start_time()
    cell = Cell.read(Path(sys.argv[1]))
    emit = EventWriter(cell.events_path(rank), rank)
    emit("phase", name="build")
    try:
        group = start(cell)
        store = open_cell_store(cell)
        run_cell(cell, make_wing(cell, group), store, emit, started)
        stop()
    except UserError as error:
        emit("error", kind="error", message=str(error))
        return 1
    except Exception as error:
        short = out_of_memory(error)
        if short:
            emit("error", kind="oom", message=short)
            return EXIT_OUT_OF_MEMORY
        emit("error", kind="error", message=f"{type(error).__name__}: {error}".splitlines()[0])
        raise
    return 0
