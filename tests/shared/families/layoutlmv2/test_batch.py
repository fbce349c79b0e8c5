"""Batches of pages: words, boxes, pixels and draws."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.dropout import drop_keys
from shared.store import Store
from tests import tiny_layout


def test_a_batch_holds_what_the_store_does(scrawl: Store) -> None:
    batches = TrainBatches(scrawl, tiny_layout.workload(), 1, 1)
    batch, samples = (
        tiny_layout.train_batch(scrawl, tiny_layout.workload()),
        TrainBatches(scrawl, tiny_layout.workload(), 0, 1).samples(0),
    )
    assert scrawl.tokens is not None
    assert scrawl.token_boxes is not None
    assert scrawl.pixels is not None
    assert np.array_equal(batch.tokens, scrawl.tokens[samples])
    assert np.array_equal(batch.boxes, scrawl.token_boxes[samples])
    assert np.array_equal(batch.pixels, scrawl.pixels[samples])
    assert np.array_equal(batch.drop_keys, drop_keys(0, 0, samples, 7))
    assert (batch.boxes.dtype, batch.pixels.dtype) == (np.int32, np.uint8)
    assert not np.array_equal(batches.batch(0).drop_keys, batch.drop_keys), "another seed"


@pytest.mark.parametrize("replicas", [2, 4])
def test_the_global_batch_does_not_depend_on_the_replicas(scrawl: Store, replicas: int) -> None:
    whole = TrainBatches(scrawl, tiny_layout.workload(train__batch_per_replica=8), 1, 1)
    parts = TrainBatches(scrawl, tiny_layout.workload(train__batch_per_replica=8 // replicas), 1, replicas)
    for step in range(5):
        shares = [parts.batch(step, replica) for replica in range(replicas)]
        for field, array in whole.batch(step, 0)._asdict().items():
            assert np.array_equal(np.concatenate([getattr(share, field) for share in shares]), array), field


def test_evaluation_draws_nothing_and_fills_up(scrawl: Store) -> None:
    evaluation = EvalBatches(scrawl, tiny_layout.workload(), "val", 1)
    batch = evaluation.batch(1, 0)
    assert (len(evaluation.samples(1, 0)), len(batch.labels)) == (3, 4)
    assert not batch.drop_keys.any()
    assert batch.lengths[3] == 1
    assert not batch.boxes[3].any()


def test_where_no_image_is_read_none_is_carried(scrawl: Store) -> None:
    batch = tiny_layout.train_batch(scrawl, tiny_layout.workload(model__visual=False))
    assert batch.pixels.shape == (4, 0, 0)


@pytest.mark.parametrize("in_memory", [False, True])
def test_a_store_travels_to_a_loader_with_its_boxes(scrawl: Store, in_memory: bool) -> None:
    store = scrawl.in_memory() if in_memory else scrawl
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again.token_boxes, scrawl.token_boxes)
    assert isinstance(again.token_boxes, np.memmap) is not in_memory
