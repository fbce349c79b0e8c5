"""Batches of pages: labels of either task, pages, what evaluation leaves alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families.efficientnet.batch import PageBatch
from shared.store import Store
from tests import tiny


@pytest.fixture
def several(noise: Store) -> Store:
    """The pages of noise with any number of labels each."""
    labels = (np.random.default_rng(0).random((len(noise.labels), 16)) < 0.2).astype(np.uint8)
    return replace(noise, labels=labels)


def test_several_labels_are_floats(several: Store) -> None:
    workload = tiny.workload(task="labels")
    batches = TrainBatches(several, workload, 0, 1)
    batch = tiny.train_batch(several, workload)
    assert (batch.labels.shape, batch.labels.dtype) == ((2, 16), np.float32)
    assert np.array_equal(batch.labels, several.labels[batches.samples(0)])
    last = EvalBatches(several, workload, "val", 1).batch(2, 0)  # the fifth page, and a row that fills up
    assert isinstance(last, PageBatch)
    assert not last.labels[1].any()
    assert not last.pixels[1].any()


def test_the_task_changes_nothing_but_labels(noise: Store, several: Store) -> None:
    one, many = tiny.train_batch(noise, tiny.workload()), tiny.train_batch(several, tiny.workload(task="labels"))
    for field in set(PageBatch._fields) - {"labels"}:
        assert np.array_equal(getattr(one, field), getattr(many, field)), field


def test_a_filler_has_the_shapes_and_types_of_a_batch(noise: Store) -> None:
    batches = TrainBatches(noise, tiny.workload(), 0, 1)
    assert batches.widths == (0,)
    filler, batch = batches.filler(0), batches.batch(0)
    assert [(array.shape, array.dtype) for array in filler] == [(array.shape, array.dtype) for array in batch]
    assert isinstance(filler, PageBatch)
    assert not filler.pixels.any()
    assert not filler.labels.any()


def test_pages_have_no_tokens(noise: Store) -> None:
    assert TrainBatches(noise, tiny.workload(), 0, 1).num_tokens(0, 0) is None
