"""Which samples make up which batch: the same whatever the replicas, every sample counted once in evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families import efficientnet
from shared.families.efficientnet.batch import draws
from shared.store import Store
from tests import tiny, tiny_text


def batches(store: Store, replicas: int, per_replica: int, seed: int = 0) -> TrainBatches:
    return TrainBatches(store, tiny.workload(train__batch_per_replica=per_replica), seed, replicas)


@pytest.mark.parametrize("step", [0, 2, 3, 7])
def test_a_global_batch_does_not_depend_on_the_number_of_replicas(noise: Store, step: int) -> None:
    whole = batches(noise, 1, 4).batch(step)
    for replicas in (2, 4):
        several = batches(noise, replicas, 4 // replicas)
        shares = [several.batch(step, replica) for replica in range(replicas)]
        for field, expected in zip(zip(*shares, strict=True), whole, strict=True):
            assert np.array_equal(np.concatenate(field), expected)
        for ours, expected in zip(several.batch(step), whole, strict=True):
            assert np.array_equal(ours, expected)


def test_an_epoch_holds_every_sample_at_most_once_and_drops_the_ragged_last_batch(noise: Store) -> None:
    five = batches(noise, 1, 5)  # twelve training pages
    assert five.steps_per_epoch == 2
    for epoch in range(3):
        taken = np.concatenate([five.samples(2 * epoch + step) for step in range(2)])
        assert len(set(taken.tolist())) == 10
        assert set(taken.tolist()) <= set(noise.indices("train").tolist())
    assert sorted(np.concatenate([batches(noise, 3, 2).samples(step) for step in (0, 1)])) == sorted(
        noise.indices("train")
    )


def test_epochs_and_seeds_have_their_own_order(noise: Store) -> None:
    first = batches(noise, 1, 4)
    assert first.steps_per_epoch == 3
    starts = [(first, 0), (first, 3), (batches(noise, 1, 4, seed=1), 0)]
    orders = [np.concatenate([b.samples(start + step) for step in range(3)]).tolist() for b, start in starts]
    assert len({tuple(order) for order in orders}) == 3
    assert len({tuple(sorted(order)) for order in orders}) == 1


def test_a_batch_is_the_stores_pages_and_the_samples_draws(noise: Store) -> None:
    train = batches(noise, 2, 2, seed=9)
    step = train.steps_per_epoch + 1  # in the second epoch
    samples = train.samples(step)
    batch = train.batch(step, 1)
    assert np.array_equal(batch.pixels, noise.pixels[samples[2:]])
    assert np.array_equal(batch.labels, noise.labels[samples[2:]])
    drawn = draws(9, 1, samples[2:], efficientnet.FAMILY.architecture(train.workload), 5.0)
    assert np.array_equal(batch.shear, drawn.shear)
    assert np.array_equal(batch.keep_block, drawn.keep_block)
    assert np.array_equal(batch.keep_unit, drawn.keep_unit)


def test_types_are_what_the_wings_expect(noise: Store) -> None:
    expected = [np.uint8, np.int32, np.float32, np.float32, np.float32]
    for batch in (batches(noise, 1, 2).batch(0), EvalBatches(noise, tiny.workload(), "val", 1).batch(0, 0)):
        assert [array.dtype for array in batch] == expected


def test_fewer_samples_than_a_global_batch_is_an_error(noise: Store) -> None:
    with pytest.raises(ValueError, match="12 training samples are fewer than a global batch, 16"):
        batches(noise, 4, 4)


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("count", [1, 5, 7, 8])
def test_evaluation_counts_every_sample_exactly_once(noise: Store, count: int, size: int, replicas: int) -> None:
    codes = np.array([1] * count + [0] * (len(noise.labels) - count), np.int8)
    store = replace(noise, split_codes=codes, labels=np.arange(len(codes), dtype=np.int32))
    evaluation = EvalBatches(store, tiny.workload(train__batch_per_replica=size), "val", replicas)
    seen: list[int] = []
    for replica in range(replicas):
        for index in range(evaluation.num_batches):
            batch = evaluation.batch(index, replica)
            assert [len(array) for array in batch] == [size] * 5
            samples = evaluation.samples(index, replica)
            real = np.arange(size) < len(samples)
            assert np.array_equal(batch.labels[real], samples)
            assert not batch.pixels[~real].any()
            assert not batch.labels[~real].any()
            assert np.array_equal(batch.pixels[real], store.pixels[batch.labels[real]])
            assert not batch.shear.any()
            assert (batch.keep_block == 1).all()
            assert (batch.keep_unit == 1).all()
            seen += batch.labels[real].tolist()
    assert sorted(seen) == list(range(count))


def test_evaluation_takes_no_batch_too_many(noise: Store) -> None:
    workload = tiny.workload(train__batch_per_replica=2)
    assert EvalBatches(noise, workload, "val", 1).num_batches == 3  # five pages
    assert EvalBatches(noise, workload, "val", 3).num_batches == 1
    assert EvalBatches(noise, workload, "test", 2).num_batches == 1  # three pages


def test_two_stores_of_the_same_content_give_the_same_batches(noise: Store, tmp_path: Path) -> None:
    other = tiny.make_store(tmp_path / "copy")
    for ours, theirs in zip(batches(noise, 1, 2).batch(1), batches(other, 1, 2).batch(1), strict=True):
        assert np.array_equal(ours, theirs)


def test_the_smallest_batch_is_what_a_step_can_still_be_taken_on(noise: Store, babble: Store) -> None:
    pages = batches(noise, 1, 4).smallest()
    assert pages.pixels.shape == (2, 32, 32)
    assert {len(field) for field in pages} == {2}
    assert pages.keep_block.shape == batches(noise, 1, 4).batch(0).keep_block[:2].shape
    texts = TrainBatches(babble, tiny_text.workload(), 0, 1).smallest()
    assert texts.tokens.shape == (1, 1)
    assert {len(field) for field in texts} == {1}
