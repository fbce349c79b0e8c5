"""The loop that drives and times both wings, with a fake wing and a fake clock."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared import session
from shared.batches import TrainBatches
from shared.events import Epoch, Evaluation, FirstStep, Memory, Phase, Step, Window, of_kind, read_events
from shared.families import family_of
from shared.schedule import learning_rates
from shared.store import SPLITS, Store
from shared.weights import save_weights
from tests import tiny, tiny_text
from tests.shared.fake_wing import (
    FIRST,
    LOSS_RIGHT,
    LOSS_WRONG,
    STEP,
    WAIT,
    Clock,
    FakeWing,
    page_cell,
    run,
    text_cell,
)


def test_the_window_lies_between_two_synchronisations_and_has_exactly_the_measured_steps(
    tmp_path: Path, noise: Store, clock: Clock
) -> None:
    wing = FakeWing(clock)
    events = run(page_cell(tmp_path, noise), wing, noise)
    warmup = ["step", "synchronize", "step", "synchronize", "reset the peak"]
    assert wing.calls == ["stream 5", *warmup, *["step"] * 3, "synchronize"]
    [window] = of_kind(events, Window)
    assert window.seconds == pytest.approx(3 * STEP + WAIT)  # the wait at its end counts, that at its start does not
    assert (window.steps, window.samples) == (3, 3 * 2)
    assert [event.measured for event in of_kind(events, Step)] == [False, False, True, True, True]
    assert [event.index for event in of_kind(events, Step)] == list(range(5))
    assert [event.seconds for event in of_kind(events, Step)][2:] == pytest.approx([STEP] * 3)


def test_the_allocators_peak_is_the_windows_and_the_runs_is_kept(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    wing.peaks = [90, 50, 60, 70, 60, 80]  # the first step tries kernels; the last comes after the window
    [memory] = of_kind(run(page_cell(tmp_path, noise, epochs=1), wing, noise), Memory)
    assert (memory.allocator_peak, memory.allocator_peak_run) == (70, 90)
    late = FakeWing(clock)
    (tmp_path / "late").mkdir()
    late.peaks = [40, 50, 60, 70, 60, 80]
    [memory] = of_kind(run(page_cell(tmp_path / "late", noise, epochs=1), late, noise), Memory)
    assert (memory.allocator_peak, memory.allocator_peak_run) == (70, 80)


def test_without_a_window_the_allocators_peak_is_the_runs(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    wing.peaks = [90, *[50] * 20]
    [memory] = of_kind(run(page_cell(tmp_path, noise, finetune=True), wing, noise), Memory)
    assert (memory.allocator_peak, memory.allocator_peak_run) == (90, 90)
    [memory] = of_kind(run(page_cell(tmp_path, noise), FakeWing(clock, rank=1), noise), Memory)
    assert (memory.allocator_peak, memory.allocator_peak_run) == (None, None)


def test_the_first_step_counts_from_the_start_of_the_process(tmp_path: Path, noise: Store, clock: Clock) -> None:
    [first] = of_kind(run(page_cell(tmp_path, noise), FakeWing(clock), noise), FirstStep)
    assert first.seconds == pytest.approx(10.0 + FIRST + WAIT)


@pytest.mark.parametrize("local", [1, 2])
def test_a_windows_samples_are_those_of_this_rank(tmp_path: Path, noise: Store, clock: Clock, local: int) -> None:
    cell = page_cell(tmp_path, noise, replicas=2)
    [window] = of_kind(run(cell, FakeWing(clock, local), noise), Window)
    assert window.samples == 3 * 2 * local


def test_without_epochs_nothing_is_evaluated(tmp_path: Path, noise: Store, clock: Clock) -> None:
    events = run(page_cell(tmp_path, noise), FakeWing(clock), noise)
    assert [event.name for event in of_kind(events, Phase)] == ["warmup", "measure", "train"]
    assert not of_kind(events, Evaluation)
    assert not of_kind(events, Epoch)
    assert events[0].event == "settings"
    assert events[0].values == {"layout": "fake"}
    assert [event.event for event in events[-2:]] == ["memory", "done"]
    assert events[-2].rss_peak > 1 << 20


def test_the_steps_after_the_window_finish_the_epochs(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise, epochs=2)  # twelve pages: six steps per epoch
    wing = FakeWing(clock)
    events = run(cell, wing, noise)
    schedule = cell.workload.schedule
    assert wing.rates == learning_rates(schedule, schedule.peak_rate, 12, 2).tolist()
    assert wing.batches == list(range(12))
    assert [event.measured for event in of_kind(events, Step)] == [2 <= step < 5 for step in range(12)]
    epochs = of_kind(events, Epoch)
    assert [(event.index, event.steps) for event in epochs] == [(0, 6), (1, 6)]
    assert [event.loss for event in epochs] == [np.mean(range(1, 7)), np.mean(range(7, 13))]
    assert [event.learning_rate for event in epochs] == [wing.rates[5], wing.rates[11]]
    assert [call for call in wing.calls if "predict" in call] == ["predict train 1", "predict val 1", "predict test 1"]
    evaluations = of_kind(events, Evaluation)
    assert [(e.split, e.counts["correct"], e.counts["samples"], e.stage) for e in evaluations] == [
        ("train", 11, 12, "train"),
        ("val", 4, 5, "train"),
        ("test", 2, 3, "train"),
    ]
    losses = [LOSS_WRONG + right * LOSS_RIGHT for right in (11, 4, 2)]
    assert [e.counts["loss"] for e in evaluations] == pytest.approx(losses, rel=1e-9)


def test_no_loss_is_waited_for_within_the_window(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise)

    class Reading(FakeWing):
        def loss_value(self, loss: int) -> float:
            assert of_kind(read_events(cell.events_path(0)), Window), "read before the window was over"
            return super().loss_value(loss)

    wing = Reading(clock)
    run(cell, wing, noise)
    assert wing.waited_for == [1, 2, 3, 4, 5]


def test_an_epoch_that_ends_within_the_window_does_not_cut_it(tmp_path: Path, noise: Store, clock: Clock) -> None:
    events = run(page_cell(tmp_path, noise, warmup=4, measured=5, epochs=2), FakeWing(clock), noise)
    [window] = of_kind(events, Window)
    assert window.seconds == pytest.approx(5 * STEP + WAIT)
    assert sum(event.measured for event in of_kind(events, Step)) == 5


def test_the_second_stage_trains_with_its_own_rates(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise, epochs=1, finetune=True)
    wing = FakeWing(clock)
    events = run(cell, wing, noise)
    assert wing.calls.count("freeze") == 1
    frozen_at = wing.calls.index("freeze")
    assert [call for call in wing.calls[:frozen_at] if "predict" in call][-1] == "predict test 1"
    assert wing.calls[frozen_at + 1 :][:2] == ["stream 6", "step"]
    assert wing.rates[6:] == learning_rates(cell.workload.schedule, cell.workload.finetune.peak_rate, 6, 2).tolist()
    assert [event.stage for event in of_kind(events, Evaluation)] == ["train"] * 3 + ["finetune"] * 3
    assert [event.index for event in of_kind(events, Epoch)] == [0, 1]
    assert len(of_kind(events, Window)) == 1


def test_a_second_stage_alone_takes_no_step_of_the_first(tmp_path: Path, noise: Store, clock: Clock) -> None:
    cell = page_cell(tmp_path, noise, epochs=0, finetune=True)
    wing = FakeWing(clock)
    events = run(cell, wing, noise)
    assert wing.calls[0] == "freeze"
    assert wing.rates == learning_rates(cell.workload.schedule, cell.workload.finetune.peak_rate, 6, 2).tolist()
    assert [event.name for event in of_kind(events, Phase)] == ["finetune", "evaluate"]
    assert not of_kind(events, Window)
    assert not any(event.measured for event in of_kind(events, Step))
    assert [(event.index, event.steps) for event in of_kind(events, Epoch)] == [(0, 6)]
    assert [(event.split, event.stage) for event in of_kind(events, Evaluation)] == [
        (split, "finetune") for split in SPLITS
    ]
    assert events[-1].event == "done"


@pytest.mark.parametrize(
    ("compiled_at", "retraces"),
    [
        ((), 0),
        ((0,), 0),  # the first step's own
        ((0, 1), 1),  # in the warm-up
        ((0, 2, 4), 2),  # in the window
        ((0, 5, 6), 0),  # after it
    ],
)
def test_what_is_compiled_after_the_first_step_is_told(
    tmp_path: Path, noise: Store, clock: Clock, compiled_at: tuple[int, ...], retraces: int
) -> None:
    wing = FakeWing(clock, compiled_at=compiled_at)
    [window] = of_kind(run(page_cell(tmp_path, noise, epochs=2), wing, noise), Window)
    assert window.retraces == retraces


@pytest.mark.parametrize(("rank", "local"), [(0, 1), (1, 1), (0, 2)])
def test_a_windows_tokens_are_those_of_this_ranks_texts(
    tmp_path: Path, babble: Store, clock: Clock, rank: int, local: int
) -> None:
    cell = text_cell(tmp_path, babble, replicas=2)
    [window] = of_kind(run(cell, FakeWing(clock, local, rank), babble), Window)
    batches = TrainBatches(babble, cell.workload, cell.seed, 2)
    replicas = range(rank * local, (rank + 1) * local)
    samples = np.concatenate([batches.samples(step, replica) for step in (2, 3, 4) for replica in replicas])
    assert window.samples == len(samples) == 12 * local
    assert window.tokens == babble.lengths[samples].sum() < len(samples) * tiny_text.TOKENS_WIDE


def test_a_resident_batchs_tokens_count_for_every_step(tmp_path: Path, babble: Store, clock: Clock) -> None:
    cell = text_cell(tmp_path, babble, input_mode="device")
    [window] = of_kind(run(cell, FakeWing(clock), babble), Window)
    first = TrainBatches(babble, cell.workload, cell.seed, 1).samples(0)
    assert window.tokens == 3 * babble.lengths[first].sum()


def test_pages_have_no_tokens(tmp_path: Path, noise: Store, clock: Clock) -> None:
    [window] = of_kind(run(page_cell(tmp_path, noise), FakeWing(clock), noise), Window)
    assert window.tokens is None


def test_a_cells_own_splits_replace_the_stores(tmp_path: Path, noise: Store, clock: Clock) -> None:
    codes = np.array([0, 1, 2, -1, 2] * 4, np.int8)  # -1: takes part in nothing
    np.save(tmp_path / "splits.npy", codes)
    cell = page_cell(tmp_path, noise, warmup=1, measured=1, epochs=1, splits=str(tmp_path / "splits.npy"))
    for mode in ("disk", "memory"):
        store = session.open_cell_store(replace(cell, input_mode=mode))
        assert np.array_equal(store.split_codes, codes)
        assert np.array_equal(store.labels, noise.labels)
        elsewhere = pickle.loads(pickle.dumps(store))  # as a loader's process gets it
        assert np.array_equal(elsewhere.split_codes, codes)
        assert isinstance(elsewhere.pixels, np.memmap) is (mode == "disk")
    events = run(cell, FakeWing(clock), store)
    assert [event.counts["samples"] for event in of_kind(events, Evaluation)] == [4, 4, 8]
    assert [event.steps for event in of_kind(events, Epoch)] == [2]


def test_one_resident_batch_is_used_again_and_again(tmp_path: Path, noise: Store, clock: Clock) -> None:
    wing = FakeWing(clock)
    run(page_cell(tmp_path, noise, input_mode="device"), wing, noise)
    assert wing.calls[0] == "resident"
    assert wing.batches == ["resident"] * 5
    assert "stream 5" not in wing.calls


@pytest.mark.parametrize(("rank", "saved"), [(0, ["save final.safetensors"]), (1, [])])
def test_only_rank_0_leaves_the_weights(
    tmp_path: Path, noise: Store, clock: Clock, rank: int, saved: list[str]
) -> None:
    wing = FakeWing(clock, rank=rank)
    run(page_cell(tmp_path, noise, checkpoint="final.safetensors", replicas=2), wing, noise)
    assert [call for call in wing.calls if call.startswith("save")] == saved


def test_the_store_is_read_into_memory_unless_the_mode_is_disk(tmp_path: Path, noise: Store) -> None:
    on_disk = session.open_cell_store(page_cell(tmp_path, noise))
    assert isinstance(on_disk.pixels, np.memmap)
    for mode in ("memory", "device"):
        loaded = session.open_cell_store(page_cell(tmp_path, noise, input_mode=mode))
        assert not isinstance(loaded.pixels, np.memmap)
        assert np.array_equal(loaded.pixels, on_disk.pixels)


def test_a_cell_starts_from_its_seed_or_from_the_file_it_names(tmp_path: Path, noise: Store) -> None:
    cell = page_cell(tmp_path, noise)
    family = family_of(cell.workload)
    arch = family.architecture(cell.workload)
    seeded = session.starting_weights(cell)
    assert np.array_equal(seeded["stem.conv.weight"], family.initial_weights(arch, cell.seed)["stem.conv.weight"])
    save_weights(tmp_path / "w.safetensors", tiny.weights(arch))
    named = session.starting_weights(page_cell(tmp_path, noise, weights=str(tmp_path / "w.safetensors")))
    assert np.array_equal(named["head.norm.bias"], tiny.weights(arch)["head.norm.bias"])
