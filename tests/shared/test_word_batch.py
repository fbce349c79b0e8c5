"""Batches of whole words, their seeded start, and vectors that a store brings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.word_weights import STATIC, TRAINED, fan_in_bounds, fit_words, uniform_weights, vector_shapes, with_vectors
from tests import tiny_text, tiny_words

WORKLOAD = tiny_words.workload("kim-cnn", input__buckets=(16, 24))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("words") / "store", lengths=(1, 20), long_ones=3)


def test_a_batch_has_the_stores_words_and_a_bucket_for_its_width(store: Store) -> None:
    batches = TrainBatches(store, WORKLOAD, 0, 1)
    widths = set()
    for step in range(18):
        batch, samples = batches.batch(step), batches.samples(step)
        width = batch.tokens.shape[1]
        widths.add(width)
        assert width == min(each for each in (16, 24, 32) if each >= store.lengths[samples].max())
        assert np.array_equal(batch.tokens, store.tokens[samples, :width])
        assert np.array_equal(batch.lengths, store.lengths[samples])
        assert batch.drop_keys.shape == (4, 1, 2)
        assert batch.drop_keys.any()
    assert widths == {16, 24, 32}


def test_padding_that_is_read_is_of_words_that_are_not_known(store: Store) -> None:
    masked, read = (
        TrainBatches(store, WORKLOAD.overridden({"input.padding": padding}, "test"), 0, 1).batch(3)
        for padding in ("masked", "read")
    )
    padding = masked.tokens == 0
    assert padding.any()
    assert (read.tokens[padding] == 1).all()
    assert np.array_equal(read.tokens[~padding], masked.tokens[~padding])
    assert (read.lengths == read.tokens.shape[1]).all()
    assert read.tokens.dtype == masked.tokens.dtype == read.lengths.dtype == np.int32


def test_evaluation_draws_nothing_and_fills_up(store: Store) -> None:
    batch = EvalBatches(store, WORKLOAD, "val", 1).batch(1, 0)
    assert not batch.drop_keys.any()
    assert (batch.lengths[3:] == 1).all()


SHAPES = vector_shapes(50, 8, static=False) | {
    "convolutions.3.weight": (6, 8, 3),
    "convolutions.3.bias": (6,),
    "classifier.weight": (4, 6),
    "classifier.bias": (4,),
}


def test_weights_fill_the_range_that_their_layer_has() -> None:
    weights = uniform_weights(SHAPES, fan_in_bounds(SHAPES), 0)
    for name, bound in {TRAINED: 0.25, "convolutions.3.weight": 24**-0.5, "classifier.weight": 6**-0.5}.items():
        most = np.abs(weights[name]).max()
        assert 0.7 * bound < most <= np.float32(bound), name
        assert abs(weights[name].mean()) < 0.3 * bound
    assert np.abs(weights["convolutions.3.bias"]).max() <= 24**-0.5
    assert not weights[TRAINED][0].any(), "the padding's"
    assert weights[TRAINED][1:].any(1).all()


def test_static_and_trained_vectors_start_alike() -> None:
    static = vector_shapes(50, 8, static=True)
    assert list(static) == [STATIC]
    assert np.array_equal(
        uniform_weights(static, {}, 3)[STATIC], uniform_weights(SHAPES, fan_in_bounds(SHAPES), 3)[TRAINED]
    )


@pytest.mark.parametrize("static", [True, False])
def test_vectors_of_a_store_replace_the_random_ones(static: bool) -> None:
    workload = tiny_words.workload("kim-cnn", model__static_vectors=static)
    weights = tiny_words.weights(workload)
    vectors = np.random.default_rng(0).standard_normal((64, 16), np.float32)
    found = with_vectors(weights, vectors)
    name = STATIC if static else TRAINED
    assert np.array_equal(found[name], vectors)
    assert all(found[each] is weights[each] for each in weights if each != name)
    with pytest.raises(
        UserError, match=r"word vectors are 64 x 15, the network's embedding\.\w+ is 64 x 16: set model"
    ):
        with_vectors(weights, vectors[:, :15])


FACTS = StoreFacts("store", "noise", "0", 4, {"train": 24, "val": 4, "test": 8}, ("classification",))


def test_a_workload_takes_the_stores_vocabulary_and_vectors() -> None:
    model = tiny_words.workload("kim-cnn", model__static_vectors=True).model
    given = fit_words(replace(FACTS, vocabulary_size=900, vector_size=300), model)
    assert {key: value for key, (value, _) in given.items()} == {"model.vocabulary_size": 900, "model.vector_size": 300}
    assert given["model.vector_size"][1] == "the word vectors have 300 features, the workload's 16"
    assert fit_words(replace(FACTS, vocabulary_size=64, vector_size=16), model) == {}


def test_without_vectors_random_ones_are_trained() -> None:
    workload = tiny_words.workload("kim-cnn", model__static_vectors=True)
    changed = fit_words(replace(FACTS, vocabulary_size=64), workload.model)
    assert changed == {
        "model.static_vectors": (False, "no word vectors are given (--vectors): random ones, which are trained")
    }
    assert fit_words(FACTS, tiny_words.workload("kim-cnn").model) == {}
