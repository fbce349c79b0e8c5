"""A loss or a logit that is not finite ends the cell on every rank, and says at which step it began."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches
from shared.events import Done, Epoch, Evaluation, Event, Failure, of_kind
from shared.protocol import Cell
from shared.store import Store
from tests.shared.fake_wing import Clock, FakeWing, page_cell, run


class Meeting:
    """What ranks exchange their values over; a rank that nobody meets would break it."""

    def __init__(self, num_ranks: int) -> None:
        self.values: list[float] = [0.0] * num_ranks
        self.barrier = threading.Barrier(num_ranks, timeout=60)

    def largest(self, rank: int, value: float) -> float:
        self.values[rank] = value
        self.barrier.wait()
        found = max(self.values)
        self.barrier.wait()
        return found


class Diverging(FakeWing):
    """Its losses from a step on (counted from 1) are not finite, or its logits are not."""

    def __init__(self, clock: Clock, bad: dict[int, float] | None = None, meeting: Meeting | None = None, **fake: Any):
        super().__init__(clock, **fake)
        self.bad, self.meeting = bad or {}, meeting
        self.bad_split = ""

    def loss_value(self, loss: int) -> float:
        return self.bad.get(loss, super().loss_value(loss))

    def largest(self, value: float) -> float:
        return self.meeting.largest(self.rank, value) if self.meeting else value

    def logits(self, batches: EvalBatches, index: int, replica: int) -> np.ndarray:
        logits = super().logits(batches, index, replica)
        if batches.split == self.bad_split and index == 0:
            logits[0, 0] = math.inf
        return logits


def ending(events: list[Event]) -> str:
    """The message of the one error that ended a cell."""
    (error,) = of_kind(events, Failure)
    assert error.kind == "diverged"
    assert not of_kind(events, Done)
    return error.message


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({1: math.nan}, "loss is NaN at step 1"),  # in the warm-up
        ({4: math.inf, 5: math.nan}, "loss is infinite at step 4"),  # in the window; the first one counts
        ({5: -math.inf}, "loss is infinite at step 5"),  # in the window's last step
    ],
)
@pytest.mark.parametrize("input_mode", ["memory", "device"])
def test_without_epochs_it_is_found_when_the_window_is_over(
    tmp_path: Path, noise: Store, clock: Clock, bad: dict[int, float], message: str, input_mode: str
) -> None:
    events = run(page_cell(tmp_path, noise, input_mode=input_mode), Diverging(clock, bad), noise)
    assert ending(events) == message


@pytest.mark.parametrize(("step", "steps_done"), [(2, 5), (6, 6), (7, 12), (12, 12)])
def test_a_training_is_not_gone_on_with(tmp_path: Path, noise: Store, clock: Clock, step: int, steps_done: int) -> None:
    wing = Diverging(clock, {step: math.nan})
    cell = page_cell(tmp_path, noise, epochs=2, checkpoint="there")  # six steps per epoch; 1 to 5: to the window's end
    events = run(cell, wing, noise)
    assert ending(events) == f"loss is NaN at step {step}"
    assert wing.calls.count("step") == steps_done
    assert not of_kind(events, Evaluation)
    assert not [call for call in wing.calls if call.startswith("save")]
    assert all(math.isfinite(event.loss) for event in of_kind(events, Epoch))


def test_the_second_stage_counts_its_own_steps(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise, epochs=1, finetune=True)
    assert ending(run(cell, Diverging(clock, {9: math.nan}), noise)) == "loss is NaN at step 3 of the second stage"


@pytest.mark.parametrize("split", ["train", "test"])
def test_logits_that_are_not_finite_are_no_accuracy(tmp_path: Path, noise: Store, clock: Clock, split: str) -> None:
    wing = Diverging(clock)
    wing.bad_split = split
    events = run(page_cell(tmp_path, noise, epochs=1, predictions=True), wing, noise)
    assert ending(events) == f"logits of the {split} split are not finite"
    assert split not in [event.split for event in of_kind(events, Evaluation)]
    assert not (tmp_path / "predictions.0.npz").exists()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([{}, {}], None),
        ([{}, {3: math.nan}], "loss is NaN at step 3"),
        ([{4: math.nan}, {2: math.inf, 3: math.nan}], "loss is infinite at step 2"),
    ],
)
@pytest.mark.parametrize("epochs", [0, 2])
def test_all_ranks_leave_together(
    tmp_path: Path, noise: Store, clock: Clock, bad: list[dict[int, float]], message: str | None, epochs: int
) -> None:
    meeting = Meeting(2)
    cell = page_cell(tmp_path, noise, replicas=2, epochs=epochs, exchange=False)
    wings = [Diverging(clock, bad[rank], meeting, rank=rank) for rank in range(2)]
    events = in_threads(cell, wings, noise)
    if message is None:
        assert all(of_kind(each, Done) for each in events)
    else:
        assert [ending(each) for each in events] == [message] * 2


def in_threads(cell: Cell, wings: list[Diverging], store: Store) -> list[list[Event]]:
    """The events of each rank, all of which run at once."""
    found: dict[int, list[Event]] = {}
    threads = [
        threading.Thread(target=lambda wing=wing: found.update({wing.rank: run(cell, wing, store)}), daemon=True)
        for wing in wings
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[rank] for rank in range(len(wings))]
