"""The parts of a training step, each timed alone: what an attribution splits a step into.

| part | what is done |
| --- | --- |
| step | a whole step on a batch that is on the device: what the others are parts of |
| forward_backward | loss and gradients of a whole batch, exchanged with nobody |
| overhead | the same operations on the smallest batch there is: dispatch, scheduling, and reading every weight once |
| optimizer | the update of every weight |
| copy | a batch from the host's memory to the device |

Weights stand still meanwhile (a learning rate of 0), so every round does the same.
"""

from __future__ import annotations

import time

from shared.batches import TrainBatches
from shared.events import EventWriter
from shared.turns import Turns
from shared.wing import Wing

PARTS = ("step", "forward_backward", "overhead", "optimizer", "copy")
ROUNDS = 10
REPEATS = 2  # of a part in a round, between two moments at which the device has done all it was given


def measure(wing: Wing, batches: TrainBatches, turns: Turns, emit: EventWriter) -> None:
    """Time every part in every round, and report it. Parts alternate, so that a disturbance meets them all."""
    parts = wing.parts(batches)
    assert set(parts) == set(PARTS)
    seconds: dict[str, list[float]] = {name: [] for name in PARTS}
    for number in range(ROUNDS + 1):  # the first compiles and allocates, and does not count
        if turns.taken:
            wing.largest(float(turns.wait()))
        for name in PARTS:
            wing.synchronize()
            started = time.perf_counter()
            for _ in range(REPEATS):
                parts[name]()
            wing.synchronize()
            if number:
                seconds[name].append((time.perf_counter() - started) / REPEATS)
    turns.leave()
    emit("parts", seconds=seconds)
