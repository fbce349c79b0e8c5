"""Batches of texts: widths, padding, replicas, evaluation, labels."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families.bert.batch import TextBatch
from shared.modalities import bucket
from shared.store import Store
from tests import tiny_text

BUCKETED = tiny_text.workload(input__buckets=(24, 16))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store", lengths=(3, 20), long_ones=3)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "several", multi_label=True)


def train(store: Store, replicas: int = 1, size: int = 4, **changes: object) -> TrainBatches:
    return TrainBatches(store, tiny_text.workload(train__batch_per_replica=size, **changes), seed=1, replicas=replicas)


def test_without_buckets_every_batch_has_the_full_width(store: Store) -> None:
    assert {train(store).batch(step).tokens.shape for step in range(12)} == {(4, 32)}


def test_a_batch_has_the_width_that_its_longest_text_asks_for(store: Store) -> None:
    batches = TrainBatches(store, BUCKETED, 1, 1)
    widths = set()
    for step in range(18):
        batch = batches.batch(step)
        width = bucket(int(store.lengths[batches.samples(step)].max()), 32, BUCKETED.input.buckets)
        assert batch.tokens.shape == (4, width)
        assert (batch.drop_keys.shape, batch.drop_keys.dtype) == ((4, 6, 2), np.int32)
        widths.add(width)
    assert widths == {16, 24, 32}
    assert batches.widths == (16, 24, 32)


def test_all_replicas_share_the_width_of_the_global_batch(store: Store) -> None:
    batches = train(store, replicas=4, size=1, input__buckets=(16, 24))
    some_would_be_narrower = False
    for step in range(18):
        shares = [batches.batch(step, replica) for replica in range(4)]
        longest = max(int(share.lengths.max()) for share in shares)
        assert {share.tokens.shape[1] for share in shares} == {bucket(longest, 32, BUCKETED.input.buckets)}
        some_would_be_narrower |= any(
            bucket(int(share.lengths.max()), 32, BUCKETED.input.buckets) < share.tokens.shape[1] for share in shares
        )
    assert some_would_be_narrower, "the test's store has no such step"


@pytest.mark.parametrize("replicas", [2, 4])
def test_the_global_batch_does_not_depend_on_the_replicas(store: Store, replicas: int) -> None:
    whole = train(store, 1, 8, input__buckets=(16, 24))
    parts = train(store, replicas, 8 // replicas, input__buckets=(16, 24))
    for step in range(9):
        expected = whole.batch(step, 0)
        shares = [parts.batch(step, replica) for replica in range(replicas)]
        for field, array in expected._asdict().items():
            joined = np.concatenate([getattr(share, field) for share in shares])
            assert np.array_equal(joined, array), field
        assert all(np.array_equal(a, b) for a, b in zip(parts.batch(step), expected, strict=True))


def test_a_wider_bucket_gives_the_same_texts_and_draws(store: Store) -> None:
    narrow, wide = TrainBatches(store, BUCKETED, 1, 1), train(store)
    step = next(step for step in range(18) if narrow.batch(step).tokens.shape[1] == 16)
    few, many = narrow.batch(step), wide.batch(step)
    assert np.array_equal(many.tokens[:, :16], few.tokens)
    assert not many.tokens[:, 16:].any()
    for field in ("labels", "lengths", "drop_keys"):
        assert np.array_equal(getattr(many, field), getattr(few, field)), field


def test_rows_are_the_stores_and_padding_is_zero(store: Store) -> None:
    batches = train(store)
    for step in range(6):
        batch, samples = batches.batch(step), batches.samples(step)
        assert np.array_equal(batch.tokens, store.tokens[samples])
        assert np.array_equal(batch.labels, store.labels[samples])
        assert np.array_equal(batch.lengths, store.lengths[samples])
        for row, length in enumerate(batch.lengths):
            assert (batch.tokens[row, :length] > 0).all()
            assert not batch.tokens[row, length:].any()
        assert (batch.labels.dtype, batch.tokens.dtype, batch.lengths.dtype) == (np.int32,) * 3


def test_an_epoch_holds_every_text_once_and_the_next_in_another_order(store: Store) -> None:
    batches = train(store)
    epochs = [np.concatenate([batches.samples(6 * epoch + step) for step in range(6)]) for epoch in range(2)]
    for samples in epochs:
        assert sorted(samples) == list(store.indices("train"))
    assert not np.array_equal(*epochs)


def test_the_same_text_draws_anew_in_the_next_epoch(store: Store) -> None:
    batches = train(store, size=24)
    first, second = batches.batch(0), batches.batch(1)
    row = int(np.flatnonzero(batches.samples(1) == batches.samples(0)[0])[0])
    assert not (first.drop_keys[0] == second.drop_keys[row]).any()


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_evaluation_counts_every_text_once(store: Store, replicas: int) -> None:
    batches = EvalBatches(store, BUCKETED, "val", replicas)
    seen: list[int] = []
    for index in range(batches.num_batches):
        shares = [batches.batch(index, replica) for replica in range(replicas)]
        assert len({share.tokens.shape for share in shares}) == 1
        for replica, share in enumerate(shares):
            samples = batches.samples(index, replica)
            seen += samples.tolist()
            assert [len(field) for field in share] == [4] * 4
            assert np.array_equal(share.labels[: len(samples)], store.labels[samples])
            assert not share.labels[len(samples) :].any()
            assert np.array_equal(share.lengths[: len(samples)], store.lengths[samples])
            width = share.tokens.shape[1]
            assert np.array_equal(share.tokens[: len(samples)], store.tokens[samples, :width])
            assert (share.lengths[len(samples) :] == 1).all(), "attention over nothing would be 0 / 0"
    assert sorted(seen) == list(store.indices("val"))


def test_evaluation_draws_nothing(store: Store) -> None:
    batch = EvalBatches(store, BUCKETED, "test", 1).batch(0, 0)
    assert isinstance(batch, TextBatch)
    assert not batch.drop_keys.any()


def test_several_labels_are_floats(several: Store) -> None:
    batches = train(several, task="labels")
    batch = batches.batch(0)
    assert (batch.labels.shape, batch.labels.dtype) == ((4, 4), np.float32)
    assert np.array_equal(batch.labels, several.labels[batches.samples(0)])
    last = EvalBatches(several, batches.workload, "val", 1).batch(1, 0)
    assert not last.labels[3:].any()


def test_tokens_are_counted_without_padding(store: Store) -> None:
    batches = train(store, replicas=2, size=2)
    for step in range(6):
        counted = [batches.num_tokens(step, replica) for replica in range(2)]
        assert counted == [int((batches.batch(step, replica).tokens > 0).sum()) for replica in range(2)]
        assert sum(counted) == store.lengths[batches.samples(step)].sum()


def test_a_filler_has_the_shapes_and_types_of_a_batch(store: Store) -> None:
    batches = TrainBatches(store, BUCKETED, 1, 1)
    real = {batch.tokens.shape[1]: batch for batch in map(batches.batch, range(18))}
    for width in batches.widths:
        filler = batches.filler(width)
        assert [(a.shape, a.dtype) for a in filler] == [(a.shape, a.dtype) for a in real[width]]
        assert (filler.lengths == 1).all()
        assert not filler.tokens.any()
        assert not filler.labels.any()


def test_too_few_texts_for_a_step(store: Store) -> None:
    with pytest.raises(ValueError, match="24 training samples are fewer than a global batch, 28"):
        train(store, replicas=7)


def test_a_store_of_another_process_reads_the_same(store: Store) -> None:
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.tokens, store.tokens)
    assert isinstance(again.tokens, np.memmap)
    inside = pickle.loads(pickle.dumps(store.in_memory()))
    assert not isinstance(inside.tokens, np.memmap)
