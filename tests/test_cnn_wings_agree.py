"""The two wings' convolutions over words side by side: logits, gradients, steps of Adam, evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.store import Store
from shared.word_batch import WordBatch
from tests import tiny_text, tiny_words

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from tests.test_text_wings_agree import Wings, tensorflow_batch, torch_batch  # noqa: E402

NAMES = ("kim-cnn", "xml-cnn")
every_network = pytest.mark.parametrize("name", NAMES)


def wings(name: str, precision: str = "fp64", **changes: object) -> Wings:
    """Both wings of a small network."""
    settings = tiny_words.workload(name, **changes)
    return Wings(settings, precision, tiny_words.weights(settings, np.float64 if precision == "fp64" else np.float32))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("words") / "store", lengths=(1, 20), long_ones=3)


@every_network
@pytest.mark.parametrize("static", [False, True])
def test_loss_and_gradients_in_double_precision_with_dropout(store: Store, name: str, static: bool) -> None:
    both = wings(name, model__static_vectors=static)
    batch = TrainBatches(store, both.settings, 0, 1).batch(0)
    assert batch._asdict()["drop_keys"].any()
    losses, gradients = both.losses_and_gradients(batch)
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-11)
    assert ("embedding.weight" in gradients[0]) is not static
    undropped, _ = wings(name, model__static_vectors=static, model__dropout=0.0).losses_and_gradients(batch)
    assert losses[0] != pytest.approx(undropped[0], rel=1e-3)


@every_network
@pytest.mark.parametrize(("precision", "loss", "weight"), [("fp64", 1e-12, 1e-11), ("fp32", 1e-5, 1e-4)])
def test_five_steps_of_training(store: Store, name: str, precision: str, loss: float, weight: float) -> None:
    """Texts of several widths, dropout, trained vectors."""
    both = wings(name, precision, input__buckets=(16,))
    start = tiny_words.weights(both.settings)
    losses, weights = both.trained(store, 5)
    assert losses[0] == pytest.approx(losses[1], rel=loss)
    tiny_text.assert_close(*weights, weight)
    assert all(np.abs(weights[0][each] - start[each]).max() > 0 for each in start)


@every_network
def test_static_vectors_stay(store: Store, name: str) -> None:
    both = wings(name, model__static_vectors=True)
    start = tiny_words.weights(both.settings)["embedding.vectors"]
    _, weights = both.trained(store, 2)
    for wing in weights:
        assert np.array_equal(wing["embedding.vectors"], start)


@every_network
def test_the_padding_has_no_vector_that_is_trained(store: Store, name: str) -> None:
    _, weights = wings(name).trained(store, 3)
    for wing in weights:
        assert not wing["embedding.weight"][0].any()


@every_network
@pytest.mark.parametrize("padding", ["masked", "read"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-13), ("fp32", 1e-5), ("bf16", 0.1)])
def test_evaluation(store: Store, name: str, precision: str, tolerance: float, padding: str) -> None:
    both = wings(name, precision, input__padding=padding)
    ours, theirs = both.logits(EvalBatches(store, both.settings, "val", 2).batch(0, 1))
    assert tiny_text.closeness(ours, theirs) < tolerance


def evaluated_at_widths(store: Store, both: Wings) -> list[Any]:
    """The same texts in batches of 20 and of 32 words."""
    workloads = (both.settings.overridden({"input.max_words": width}, "test") for width in (20, 32))
    return [EvalBatches(store, workload, "test", 1).batch(0, 0) for workload in workloads]


@every_network
def test_a_texts_outcome_does_not_depend_on_the_width_of_its_batch(store: Store, name: str) -> None:
    both = wings(name)
    narrow, wide = evaluated_at_widths(store, both)
    assert store.lengths[store.indices("test")].max() <= 20
    for few, many in zip(both.logits(narrow), both.logits(wide), strict=True):
        assert tiny_text.closeness(few, many) < 1e-13


@every_network
def test_where_padding_is_read_the_width_changes_the_outcome(store: Store, name: str) -> None:
    both = wings(name, input__padding="read")
    narrow, wide = evaluated_at_widths(store, both)
    for few, many in zip(both.logits(narrow), both.logits(wide), strict=True):
        assert tiny_text.closeness(few, many) > 1e-6


@every_network
def test_equal_maxima_share_the_gradient_alike(name: str) -> None:
    """A text of one word again and again has the same value in most places."""
    both = wings(name, model__dropout=0.0)
    tokens = np.zeros((4, 32), np.int32)
    tokens[:, :24] = np.array([[5], [9], [17], [33]])
    labels = np.arange(4, dtype=np.int32)
    batch = WordBatch(tokens, labels, np.full(4, 24, np.int32), np.zeros((4, 1, 2), np.int32))
    losses, gradients = both.losses_and_gradients(batch)
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-11)


@every_network
def test_several_labels(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    several = tiny_text.make_store(tmp_path_factory.mktemp("several") / "store", multi_label=True)
    losses, weights = wings(name, task="labels").trained(several, 5)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    tiny_text.assert_close(*weights, 1e-11)


@every_network
@pytest.mark.parametrize("padding", ["masked", "read"])
def test_the_smallest_batch_is_computed(store: Store, name: str, padding: str) -> None:
    """Of a filler, and of texts that are longer than it is wide."""
    both = wings(name, input__padding=padding)
    batches = TrainBatches(store, both.settings, 0, 1)
    for batch in (batches.smallest(), family_of(both.settings).smallest(batches.batch(0))):
        assert batch.tokens.shape == (1, 1)
        ours, theirs = both.pt.loss(torch_batch(batch)), both.tf.loss(tensorflow_batch(batch))
        assert ours.item() == pytest.approx(float(theirs), rel=1e-12)
