"""Batches of sentences: widths, padding, what a workload may say."""

from __future__ import annotations

import numpy as np
import pytest

from shared import spec
from shared.batches import EvalBatches, TrainBatches
from shared.errors import UserError
from shared.families import family_of
from shared.store import Store
from tests import tiny_words

WORKLOAD = tiny_words.workload("han", input__buckets=(2, 4))


def test_a_batch_is_as_wide_as_its_longest_text_has_sentences(chatter: Store) -> None:
    batches = TrainBatches(chatter, WORKLOAD.overridden({"train.batch_per_replica": 1}, "test"), 0, 1)
    assert batches.widths == (2, 4, 5)
    widths = set()
    for step in range(24):
        batch, sample = batches.batch(step), int(batches.samples(step)[0])
        whole = chatter.tokens[sample].reshape(5, 6)
        sentences = int(whole.any(1).sum())
        width = min(each for each in (2, 4, 5) if each >= sentences)
        widths.add(width)
        assert batch.tokens.shape == (1, width, 6)
        assert np.array_equal(batch.tokens[0], whole[:width])
        assert batch.lengths.tolist() == [sentences]
        expected = [max(int((sentence != 0).sum()), 1) for sentence in whole[:width]]
        assert batch.word_lengths[0].tolist() == expected
        assert batch.word_lengths.dtype == batch.lengths.dtype == batch.tokens.dtype == np.int32
    assert widths == {2, 4, 5}


def test_padding_that_is_read_is_of_words_that_are_not_known(chatter: Store) -> None:
    batch = TrainBatches(chatter, WORKLOAD.overridden({"input.padding": "read"}, "test"), 0, 1).batch(0)
    masked = TrainBatches(chatter, WORKLOAD, 0, 1).batch(0)
    assert np.array_equal(batch.tokens == 1, masked.tokens == 0)
    assert (batch.lengths == batch.tokens.shape[1]).all()
    assert (batch.word_lengths == 6).all()
    assert batch.tokens.dtype == batch.lengths.dtype == batch.word_lengths.dtype == np.int32


def test_rows_that_fill_up_have_a_sentence_of_a_word(chatter: Store) -> None:
    batch = EvalBatches(chatter, WORKLOAD, "val", 1).batch(1, 0)
    assert (batch.lengths[3:] == 1).all()
    assert (batch.word_lengths[3:] == 1).all()
    assert not batch.drop_keys.any()


def test_words_are_counted_not_places(chatter: Store) -> None:
    samples = np.arange(7)
    counted = family_of(WORKLOAD).num_tokens(chatter, samples)
    assert counted == int((chatter.tokens[samples] != 0).sum()) < int(chatter.lengths[samples].sum())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input__buckets": (5,)}, r"buckets \(5,\): each must be below max_sentences, 5"),
        ({"input__max_sentences": 0}, "input.max_sentences: .*greater than or equal to 1"),
        ({"model__word_hidden_size": 0}, "model.word_hidden_size: .*greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as refused:
        tiny_words.workload("han", **changes)
    assert "\n" not in str(refused.value)


def test_the_settings_of_the_released_code() -> None:
    full = spec.load("han")
    assert (full.model.word_hidden_size, full.model.sentence_hidden_size, full.model.attention_size) == (50, 50, 100)
    assert (full.model.vector_size, full.model.static_vectors, full.model.dropout) == (300, True, 0.0)
    assert (full.optimizer.name, full.schedule.peak_rate) == ("adam", 0.01)
    assert (full.train.batch_per_replica, full.train.epochs) == (32, 30)
    assert spec.load("han", "released").input.padding == "read"
