"""Batches of rows that are parts of documents: groups in evaluation, factors of the losses, over any replicas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.store import ANSWERS, DOCUMENTS, GROUPS, NO_LABEL, QUESTION_LENGTHS, TOKEN_TAGS, TOKEN_WORDS, Store
from tests import row_stores, tiny_layout

ROWS, VALIDATED = 36, 12
NAMES = ["O", "B-a", "I-a"]
HIDING = {"masked": 0.15, "covered": 0.3, "replaced": 0.2, "dropped": 0.1, "alignment": True, "matching": True}
CHANGES: dict[str, dict[str, Any]] = {
    "tags": {"model__num_classes": 3},
    "spans": {"model__num_classes": 2},
    "pretraining": {"pretraining": HIDING},
}


def workload(name: str, per_replica: int) -> LayoutWorkload:
    return tiny_layout.workload(task=name, train__batch_per_replica=per_replica, **CHANGES[name])


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Groups of one to four rows of unequal lengths, the last to validate on; some rows have no label at all."""
    rng, folder = np.random.default_rng(3), Path(tmp_path_factory.mktemp("rows"))
    sizes = [1, 3, 2, 4, 2, 4, 3, 1, 4]
    groups = np.repeat(np.arange(15), [*sizes, 1, 2, 3, 1, 3, 2]).astype(np.int32)
    assert len(groups) == ROWS
    words = row_stores.framed(rng.integers(0, 28, ROWS).tolist())
    tags = np.where((words >= 0) & (rng.random(words.shape) < 0.6), rng.integers(0, 3, words.shape), NO_LABEL)
    tags[::7] = NO_LABEL
    answers = np.sort(rng.integers(1, tiny_layout.TOKENS_WIDE, (ROWS, 2)), 1)
    answers[::3], answers[1::5] = NO_LABEL, 0
    shared = {DOCUMENTS: groups // 2, GROUPS: groups, TOKEN_WORDS: words}
    splits = [0] * (ROWS - VALIDATED) + [1] * VALIDATED
    return {
        "tags": row_stores.make_store(
            folder / "tags", shared | {TOKEN_TAGS: tags.astype(np.int16)}, tags=NAMES, splits=splits, pages=True
        ),
        "spans": row_stores.make_store(
            folder / "spans",
            shared | {ANSWERS: answers.astype(np.int32), QUESTION_LENGTHS: np.ones(ROWS, np.int32)},
            splits=splits,
            pages=True,
        ),
        "pretraining": row_stores.make_store(folder / "pretraining", shared, splits=splits, pages=True),
    }


def batch(found: TrainBatches, step: int, replica: int | None = None) -> LayoutBatch:
    made = found.batch(step, replica)
    assert isinstance(made, LayoutBatch)
    return made


def losses(name: str, batch: LayoutBatch) -> np.ndarray:
    """A loss of each sample and target (n x targets), of a network whose loss at a label is the label's square root
    plus its place's."""
    of_label = np.sqrt(np.maximum(batch.labels, 0)) + np.sqrt(np.arange(batch.labels.shape[1]))
    each = np.where(batch.labels == NO_LABEL, 0.0, of_label)
    if name == "spans":
        return each.mean(1, keepdims=True)
    most = batch.positions.shape[1]
    parts = np.split(each, [most, each.shape[1] - 1], axis=1) if name == "pretraining" else [each]
    return np.stack([part.sum(1) for part in parts], 1)


def loss(name: str, batch: LayoutBatch) -> float:
    """As the wings' losses are: the mean over samples."""
    return float((losses(name, batch) * batch.weights).sum(1).mean())


@pytest.mark.parametrize("replicas", [2, 3, 4])
@pytest.mark.parametrize("name", CHANGES)
def test_the_mean_over_replicas_is_the_loss_of_the_global_batch(
    stores: dict[str, Store], name: str, replicas: int
) -> None:
    whole, several = (
        TrainBatches(stores[name], workload(name, size), 5, count)
        for size, count in ((12, 1), (12 // replicas, replicas))
    )
    apart = []
    for step in range(2 * whole.steps_per_epoch):
        shares = [batch(several, step, replica) for replica in range(replicas)]
        mean = np.mean([loss(name, share) for share in shares])
        assert mean == pytest.approx(loss(name, batch(whole, step)), rel=1e-6)
        assert {share.weights.tobytes() for share in shares} == {shares[0].weights.tobytes()}
        apart.append(np.mean([(losses(name, share).sum(0) / labelled(name, share)).sum() for share in shares]))
    expected = [loss(name, batch(whole, step)) for step in range(2 * whole.steps_per_epoch)]
    assert apart != pytest.approx(expected, rel=1e-3), "factors of each replica's own would be another loss"


def labelled(name: str, batch: LayoutBatch) -> np.ndarray:
    """How many labels each target has in a batch, at least one."""
    there = (batch.labels != NO_LABEL).astype(int)
    if name == "spans":
        return np.maximum(there[:, :1].sum(0), 1)
    most = batch.positions.shape[1]
    parts = np.split(there, [most, there.shape[1] - 1], axis=1) if name == "pretraining" else [there]
    return np.maximum([part.sum() for part in parts], 1)


@pytest.mark.parametrize("name", CHANGES)
def test_the_loss_is_the_mean_over_what_is_labelled(stores: dict[str, Store], name: str) -> None:
    whole = TrainBatches(stores[name], workload(name, 12), 0, 1)
    for step in range(whole.steps_per_epoch):
        found = batch(whole, step)
        expected = float((losses(name, found).sum(0) / labelled(name, found)).sum())
        assert loss(name, found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_samples_without_a_label_cost_nothing(stores: dict[str, Store], name: str) -> None:
    """And divide nothing by zero; the image is asked of every sample."""
    store = stores[name]
    labels = {"tags": store.token_tags, "spans": store.answers, "pretraining": store.token_words}[name]
    assert labels is not None
    none = np.flatnonzero((np.asarray(labels) < 0).all(1))[:1]
    assert len(none)
    codes = np.full(ROWS, 2, np.int8)
    codes[none] = 0
    found = batch(TrainBatches(store.with_splits(codes), workload(name, 1), 0, 1), 0)
    assert np.isfinite(found.weights).all()
    assert losses(name, found)[:, : 2 if name == "pretraining" else None].sum() == 0.0


@pytest.mark.parametrize("replicas", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("split", ["train", "val"])
def test_evaluation_takes_every_row_once_and_splits_no_group(
    stores: dict[str, Store], split: str, size: int, replicas: int
) -> None:
    store = stores["tags"]
    groups = store.groups
    assert groups is not None
    evaluation = EvalBatches(store, workload("tags", size), split, replicas)
    taken = [
        np.concatenate([evaluation.samples(index, replica) for index in range(evaluation.num_batches)])
        for replica in range(replicas)
    ]
    assert sorted(np.concatenate(taken).tolist()) == store.indices(split).tolist()
    of_replica = [set(groups[samples].tolist()) for samples in taken]
    assert sum(map(len, of_replica)) == len(set(groups[store.indices(split)].tolist()))
    assert max(map(len, of_replica)) - min(map(len, of_replica)) <= 1
    last = evaluation.num_batches - 1
    assert any(len(evaluation.samples(last, replica)) for replica in range(replicas)), "no batch too many"
    assert not any(len(evaluation.samples(last + 1, replica)) for replica in range(replicas)), "nor too few"


@pytest.mark.parametrize("replicas", [1, 2, 3])
def test_evaluation_pads_with_rows_of_no_label(stores: dict[str, Store], replicas: int) -> None:
    store, size = stores["tags"], 5
    assert store.token_tags is not None and store.pixels is not None
    evaluation = EvalBatches(store, workload("tags", size), "val", replicas)
    for index in range(evaluation.num_batches):
        for replica in range(replicas):
            samples, made = evaluation.samples(index, replica), evaluation.batch(index, replica)
            assert isinstance(made, LayoutBatch)
            assert {len(array) for array in made} == {size}
            assert np.array_equal(made.labels[: len(samples)], store.token_tags[samples])
            assert (made.labels[len(samples) :] == NO_LABEL).all()
            assert np.array_equal(made.pixels[: len(samples)], store.pixels[store.document_of(samples)])


def test_rows_of_no_group_are_dealt_out_one_by_one(scrawl: Store) -> None:
    evaluation = EvalBatches(scrawl, tiny_layout.workload(), "val", 3)
    indices = scrawl.indices("val")
    assert [share.tolist() for share in evaluation.shares] == [indices[replica::3].tolist() for replica in range(3)]
