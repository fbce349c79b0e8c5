"""The measured steps of a training: when they begin, what they take, whose turn it is where trainings take turns."""

from __future__ import annotations

import time

from shared.batches import TrainBatches
from shared.events import EventWriter
from shared.protocol import Cell
from shared.turns import Turns
from shared.warmup import WarmUp
from shared.wing import Wing


class Window:
    """Told before and after every step of a training; opens after the warm-up and closes after the measured steps.

    A step's seconds are the host's: on a GPU, where the host runs ahead of the device, single ones jitter. Only the
    window, and a turn of it, is exact: both lie between two moments at which every device has done all it was given.
    """

    def __init__(self, cell: Cell, wing: Wing, batches: TrainBatches, emit: EventWriter, num_steps: int) -> None:
        """
        Args:
            num_steps: of the whole training.
        """
        measure = cell.workload.measure
        self.cell, self.wing, self.batches, self.emit = cell, wing, batches, emit
        self.num_measured = measure.measured_steps
        self.warmup = WarmUp(measure.warmup_steps, num_steps - measure.warmup_steps - measure.measured_steps)
        self.turns = Turns(wing.rank)
        self.start: int | None = None  # the first measured step
        self.is_over = False
        self.first_traces = 0
        self.peak_before: int | None = None  # of the device allocator: the autotuner's, as a rule
        self.allocator_peak: int | None = None  # inside the window
        self._checked, self._checked_at = 0, 0.0  # step and time of the last checkpoint
        self._step_seconds = 0.0  # in the block that ended there
        self._turn_ends: int | None = None  # the step before which the turn is over
        self._turn_started = 0.0
        self._turn_start = 0
        self._seconds = 0.0
        self._paused_at = 0.0
        self._turn_seconds: list[float] = []

    @property
    def is_open(self) -> bool:
        """Whether the step that is taken now is measured."""
        return self.start is not None and not self.is_over

    def begin(self) -> None:
        """Before the first step. The warm-up is a turn of its own."""
        self._wait_for_turn()
        self._checked_at = time.perf_counter()

    def before(self, step: int) -> bool:
        """Before a step. True where the clock of the steps is to start anew: something else took time."""
        if self.start is None:
            return self._warm_up(step)
        if self.is_open and step == self._turn_ends:
            self._end_turn(step)
            self._begin_turn(step)
            return True
        return False

    def after(self, step: int) -> bool:
        """After a step; what `before` says holds."""
        if not self.is_open or step + 1 < (self.start or 0) + self.num_measured:
            return False
        self._end_turn(step + 1)
        self.is_over = True
        self.allocator_peak = self.wing.allocator_peak()
        self.emit(
            "window",
            seconds=self._seconds,
            steps=self.num_measured,
            **self._content(),
            retraces=self.wing.num_traces() - self.first_traces,
            warmup=self.start,
            stationary=self.warmup.is_stationary,
            turns=self._turn_seconds,
        )
        self.emit("phase", name="train")
        if not self.cell.parts:  # else they take turns too
            self.turns.leave()
        return True

    def pause(self, step: int) -> None:
        """After `step` steps, before something that is none: it belongs to no step's time."""
        if self.is_open:
            self._end_turn(step)
        else:
            self.wing.synchronize()
        self._paused_at = time.perf_counter()

    def resume(self, step: int) -> None:
        """After what `pause` announced; the phase is again what it was."""
        if self.is_open:
            assert self.start is not None
            left = self.start + self.num_measured - step
            self.emit("phase", name="measure", seconds=self._step_seconds * left)
            self._begin_turn(step)
            return
        self._checked_at += time.perf_counter() - self._paused_at
        self.warmup.paused(time.perf_counter() - self._paused_at)
        self.emit("phase", name="train" if self.is_over else "warmup")

    def _warm_up(self, step: int) -> bool:
        if not self.warmup.is_checkpoint(step):
            return False
        self.wing.synchronize()
        now = time.perf_counter()
        self.warmup.check(step, now, self._work(self._checked, step))
        self._step_seconds = (now - self._checked_at) / (step - self._checked)
        self._checked, self._checked_at = step, now
        # the same answer on every rank: what rank 0 saw
        goes_on = not self.warmup.is_over(step) and self.wing.rank == 0
        if step >= self.warmup.least and not self.wing.largest(float(goes_on)):
            self.start = step
            self.peak_before = self.wing.allocator_peak()
            self.wing.reset_allocator_peak()
            self.emit("phase", name="measure", seconds=self._step_seconds * self.num_measured)
            self._begin_turn(step)
        return True

    def _work(self, first: int, last: int) -> float:
        """Of steps first .. last - 1: their tokens, or where these are not known how many they are."""
        tokens = self._tokens(range(first, last))
        return float(tokens if tokens else last - first)

    def _tokens(self, steps: range) -> int | None:
        """Of this process's texts, padding not counted; None for pages."""
        resident = self.cell.input_mode == "device"
        first = self.wing.rank * self.wing.local_replicas
        replicas = range(first, first + self.wing.local_replicas)
        counts = [self.batches.num_tokens(0 if resident else step, replica) for step in steps for replica in replicas]
        return None if None in counts else sum(filter(None, counts))

    def _content(self) -> dict[str, int | None]:
        """What went through this process in the window."""
        assert self.start is not None
        samples = self.num_measured * self.cell.workload.train.batch_per_replica * self.wing.local_replicas
        return {"samples": samples, "tokens": self._tokens(range(self.start, self.start + self.num_measured))}

    def _begin_turn(self, step: int) -> None:
        num_steps = self._wait_for_turn()
        self._turn_ends = step + num_steps if self.turns.taken else None
        self._turn_start, self._turn_started = step, time.perf_counter()

    def _end_turn(self, step: int) -> None:
        self.wing.synchronize()
        seconds = time.perf_counter() - self._turn_started
        self._seconds += seconds
        if self.turns.taken:
            self._turn_seconds.append(seconds / (step - self._turn_start))

    def _wait_for_turn(self) -> int:
        if not self.turns.taken:
            return 0
        return int(self.wing.largest(float(self.turns.wait(self._step_seconds))))
