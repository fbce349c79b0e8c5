"""The loop that drives and times both wings, with a fake wing and a fake clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from shared import session
from shared.batches import EvalBatches, TrainBatches, architecture_of
from shared.protocol import Cell, EventWriter, read_events
from shared.schedule import rates
from shared.store import Store
from shared.weights import initial_weights, save_weights

STEP, FIRST, WAIT = 2.0, 50.0, 0.25  # seconds on the fake clock: a step, the first one, a synchronisation


class Clock:
    """Time that passes only where the fake wing says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class FakeWing:
    """Writes down what it is asked to do. One process for `local_replicas` replicas."""

    def __init__(self, clock: Clock, local_replicas: int = 1, rank: int = 0) -> None:
        self.clock, self.local_replicas, self.rank = clock, local_replicas, rank
        self.calls: list[str] = []
        self.rates: list[float] = []
        self.batches: list[Any] = []
        self.waited_for: list[int] = []

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

    def evaluate(self, batches: EvalBatches) -> tuple[int, int, float]:
        self.calls.append(f"evaluate {batches.split} {batches.replicas}")
        total = len(batches.store.indices(batches.split))
        return total - 1, total, 0.5 * total

    def allocator_peak(self) -> int | None:
        return None

    def settings(self) -> dict[str, Any]:
        return {"layout": "fake"}

    def save(self, path: str) -> None:
        self.calls.append(f"save {path}")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(session, "time", clock)
    return clock


def run(cell: Cell, wing: FakeWing, store: Store) -> list[dict[str, Any]]:
    path = Path(cell.directory) / f"events.{wing.rank}.jsonl"
    session.run_cell(cell, wing, store, EventWriter(path, wing.rank), process_started=990.0)  # type: ignore[arg-type]
    return read_events(path)


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def make_cell(tmp_path: Path, noise: Store, warmup: int = 2, measured: int = 3, **changes: Any) -> Cell:
    workload = tiny.workload(measure__warmup_steps=warmup, measure__measured_steps=measured)
    return tiny.make_cell(tmp_path, noise.path, **({"workload": workload, "epochs": 0} | changes))


def test_the_window_lies_between_two_synchronisations_and_has_exactly_the_measured_steps(
    tmp_path: Path, noise: Store, clock: Clock
) -> None:
    wing = FakeWing(clock)
    events = run(make_cell(tmp_path, noise), wing, noise)
    assert wing.calls == ["stream 5", "step", "synchronize", "step", "synchronize", *["step"] * 3, "synchronize"]
    [window] = of(events, "window")
    assert window["seconds"] == pytest.approx(3 * STEP + WAIT)  # the wait at its end counts, that at its start does not
    assert (window["steps"], window["samples"]) == (3, 3 * 2)
    assert [event["measured"] for event in of(events, "step")] == [False, False, True, True, True]
    assert [event["index"] for event in of(events, "step")] == list(range(5))
    assert [event["seconds"] for event in of(events, "step")][2:] == pytest.approx([STEP] * 3)


def test_the_first_step_counts_from_the_start_of_the_process(tmp_path: Path, noise: Store, clock: Clock) -> None:
    [first] = of(run(make_cell(tmp_path, noise), FakeWing(clock), noise), "first_step")
    assert first["seconds"] == pytest.approx(10.0 + FIRST + WAIT)


@pytest.mark.parametrize("local", [1, 2])
def test_a_windows_samples_are_those_of_this_rank(tmp_path: Path, noise: Store, clock: Clock, local: int) -> None:
    cell = make_cell(tmp_path, noise, replicas=2)
    [window] = of(run(cell, FakeWing(clock, local), noise), "window")
    assert window["samples"] == 3 * 2 * local


def test_without_epochs_nothing_is_evaluated(tmp_path: Path, noise: Store, clock: Clock) -> None:
    events = run(make_cell(tmp_path, noise), FakeWing(clock), noise)
    assert [event["name"] for event in of(events, "phase")] == ["warmup", "measure", "train"]
    assert not of(events, "eval")
    assert not of(events, "epoch")
    assert events[0]["event"] == "settings"
    assert events[0]["layout"] == "fake"
    assert [event["event"] for event in events[-2:]] == ["memory", "done"]
    assert events[-2]["rss_peak"] > 1 << 20


def test_the_steps_after_the_window_finish_the_epochs(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = make_cell(tmp_path, noise, epochs=2)  # twelve pages: six steps an epoch
    wing = FakeWing(clock)
    events = run(cell, wing, noise)
    schedule = cell.workload.schedule
    assert wing.rates == rates(schedule, schedule.peak_rate, 12, 2).tolist()
    assert wing.batches == list(range(12))
    assert [event["measured"] for event in of(events, "step")] == [2 <= step < 5 for step in range(12)]
    epochs = of(events, "epoch")
    assert [(event["index"], event["steps"]) for event in epochs] == [(0, 6), (1, 6)]
    assert [event["loss"] for event in epochs] == [np.mean(range(1, 7)), np.mean(range(7, 13))]
    assert [event["rate"] for event in epochs] == [wing.rates[5], wing.rates[11]]
    assert [call for call in wing.calls if "evaluate" in call] == [
        "evaluate train 1",
        "evaluate val 1",
        "evaluate test 1",
    ]
    assert [(e["split"], e["correct"], e["total"], e["loss"], e["stage"]) for e in of(events, "eval")] == [
        ("train", 11, 12, 6.0, "train"),
        ("val", 4, 5, 2.5, "train"),
        ("test", 2, 3, 1.5, "train"),
    ]


def test_no_loss_is_waited_for_within_the_window(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    run(make_cell(tmp_path, noise), wing, noise)
    assert wing.waited_for == []


def test_an_epoch_that_ends_within_the_window_does_not_cut_it(tmp_path: Path, noise: Store, clock: Clock) -> None:
    events = run(make_cell(tmp_path, noise, warmup=4, measured=5, epochs=2), FakeWing(clock), noise)
    [window] = of(events, "window")
    assert window["seconds"] == pytest.approx(5 * STEP + WAIT)
    assert sum(event["measured"] for event in of(events, "step")) == 5


def test_the_second_stage_trains_with_its_own_rates(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = make_cell(tmp_path, noise, epochs=1, finetune=True)
    wing = FakeWing(clock)
    events = run(cell, wing, noise)
    assert wing.calls.count("freeze") == 1
    frozen_at = wing.calls.index("freeze")
    assert [call for call in wing.calls[:frozen_at] if "evaluate" in call][-1] == "evaluate test 1"
    assert wing.calls[frozen_at + 1 :][:2] == ["stream 6", "step"]
    assert wing.rates[6:] == rates(cell.workload.schedule, cell.workload.finetune.peak_rate, 6, 2).tolist()
    assert [event["stage"] for event in of(events, "eval")] == ["train"] * 3 + ["finetune"] * 3
    assert [event["index"] for event in of(events, "epoch")] == [0, 1]
    assert len(of(events, "window")) == 1


def test_one_resident_batch_is_used_again_and_again(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    run(make_cell(tmp_path, noise, input_mode="device"), wing, noise)
    assert wing.calls[0] == "resident"
    assert wing.batches == ["resident"] * 5
    assert "stream 5" not in wing.calls


@pytest.mark.parametrize(("rank", "saved"), [(0, ["save final.safetensors"]), (1, [])])
def test_only_rank_0_leaves_the_weights(
    tmp_path: Path, noise: Store, clock: Clock, rank: int, saved: list[str]
) -> None:
    wing = FakeWing(clock, rank=rank)
    run(make_cell(tmp_path, noise, checkpoint="final.safetensors", replicas=2), wing, noise)
    assert [call for call in wing.calls if call.startswith("save")] == saved


def test_the_store_is_read_into_memory_unless_the_mode_is_disk(tmp_path: Path, noise: Store) -> None:
    on_disk = session.open_cell_store(make_cell(tmp_path, noise))
    assert isinstance(on_disk.images, np.memmap)
    for mode in ("memory", "device"):
        loaded = session.open_cell_store(make_cell(tmp_path, noise, input_mode=mode))
        assert not isinstance(loaded.images, np.memmap)
        assert np.array_equal(loaded.images, on_disk.images)


def test_a_cell_starts_from_its_seed_or_from_the_file_it_names(tmp_path: Path, noise: Store) -> None:
    cell = make_cell(tmp_path, noise)
    arch = architecture_of(cell.workload)
    seeded = session.starting_weights(cell)
    assert np.array_equal(seeded["stem.conv.weight"], initial_weights(arch, cell.seed)["stem.conv.weight"])
    save_weights(tmp_path / "w.safetensors", tiny.weights(arch))
    named = session.starting_weights(make_cell(tmp_path, noise, weights=str(tmp_path / "w.safetensors")))
    assert np.array_equal(named["head.norm.bias"], tiny.weights(arch)["head.norm.bias"])
