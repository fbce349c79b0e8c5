"""A training that is judged by the validation split after every epoch, seen through a wing that trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import session
from shared.batches import EvalBatches
from shared.errors import UserError
from shared.events import Epoch, Evaluation, Window, of_kind
from shared.sections import Average, Stopping
from shared.store import Store
from tests import tiny
from tests.shared.fake_wing import STEP, Clock, FakeWing, page_cell, run


class Judged(FakeWing):
    """Right about as many validation samples as it is told, an evaluation at a time."""

    def __init__(self, clock: Clock, right: list[int]) -> None:
        super().__init__(clock)
        self.right = right

    def predict(self, batches: EvalBatches) -> Iterator[list[np.ndarray]]:
        self.clock.advance(1000.0)
        wanted = self.right.pop(0) if batches.split == "val" and self.right else 0
        for index in range(batches.num_batches):
            samples, store = batches.samples(index, 0), batches.store
            logits = np.zeros((batches.workload.train.batch_per_replica, len(store.classes)), np.float32)
            for row, sample in enumerate(samples):
                place = int(np.searchsorted(batches.indices, sample))
                logits[row, (store.labels[sample] + (place >= wanted)) % len(store.classes)] = 3.0
            yield [logits]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    from shared import window

    clock = Clock()
    for module in (session, window):
        monkeypatch.setattr(module, "time", clock)
    return clock


def stopped(tmp_path: Path, noise: Store, clock: Clock, right: list[int], patience: int, **changes: Any) -> Any:
    cell = page_cell(tmp_path, noise, epochs=6, **changes)
    workload = cell.workload.model_copy(update={"stopping": Stopping(patience=patience)})
    wing = Judged(clock, right)
    return wing, run(tiny.make_cell(tmp_path, noise.path, workload=workload, epochs=6), wing, noise)


def test_the_best_epoch_is_kept_and_restored_and_the_training_stops(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing, events = stopped(tmp_path, noise, clock, [0, 2, 1, 2, 3, 3], patience=2)
    assert [epoch.index for epoch in of_kind(events, Epoch)] == [0, 1, 2, 3]
    assert wing.calls.count("keep") == 2  # of two that are alike, the first
    assert wing.calls.index("restore") > max(i for i, call in enumerate(wing.calls) if call == "step")
    scores = [each.counts for each in of_kind(events, Evaluation) if each.split == "val"]
    assert len(scores) == 4 + 1  # and the last evaluation, of what was restored


def test_without_a_worse_epoch_all_are_trained(tmp_path: Path, noise: Store, clock: Clock) -> None:
    _, events = stopped(tmp_path, noise, clock, [0, 1, 2, 3, 4, 5], patience=1)
    assert len(of_kind(events, Epoch)) == 6


def test_epochs_are_judged_with_the_average(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing, _ = stopped(tmp_path, noise, clock, [0, 1, 2, 3, 4, 5], patience=1)
    calls = [call for call in wing.calls if call in ("average in place", "keep", "average out of place")]
    assert calls[:3] == ["average in place", "keep", "average out of place"]


def test_evaluations_are_no_part_of_the_window(tmp_path: Path, noise: Store, clock: Clock) -> None:
    _, events = stopped(tmp_path, noise, clock, [0, 1, 2, 3, 4, 5], patience=1)
    (window,) = of_kind(events, Window)
    assert window.seconds < 2 * STEP * window.steps


def test_without_a_validation_split_it_is_refused(tmp_path: Path, noise: Store) -> None:
    cell = page_cell(tmp_path, noise, epochs=2)
    workload = cell.workload.model_copy(update={"stopping": Stopping(patience=2)})
    codes = np.where(noise.split_codes == 1, 0, noise.split_codes)
    with pytest.raises(UserError, match=r"\[stopping\] judges epochs by the validation split"):
        session.stopping_of(tiny.make_cell(tmp_path, noise.path, workload=workload, epochs=2), noise.with_splits(codes))


def test_an_average_without_stopping_is_settled(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise, epochs=1)
    workload = cell.workload.model_copy(update={"average": Average(decay=0.9, start="zero")})
    wing = FakeWing(clock)
    run(tiny.make_cell(tmp_path, noise.path, workload=workload, epochs=1), wing, noise)
    assert "settle" in wing.calls and "restore" not in wing.calls


def test_neither_table_changes_the_hashes_of_workloads_without_them(tmp_path: Path, noise: Store) -> None:
    workload = page_cell(tmp_path, noise).workload
    stopping = workload.model_copy(update={"stopping": Stopping(patience=2)})
    average = workload.model_copy(update={"average": Average(decay=0.9, start="zero")})
    assert stopping.spec_hash != workload.spec_hash and stopping.computation_hash == workload.computation_hash
    assert average.computation_hash != workload.computation_hash
