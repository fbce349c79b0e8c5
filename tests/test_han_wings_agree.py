"""The two wings' hierarchical attention side by side: logits, gradients, steps of Adam, evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.store import Store
from tests import tiny_text, tiny_words

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from tests.test_text_wings_agree import Wings, tensorflow_batch, torch_batch  # noqa: E402


def wings(precision: str = "fp64", **changes: object) -> Wings:
    """Both wings of a small network."""
    settings = tiny_words.workload("han", **changes)
    return Wings(settings, precision, tiny_words.weights(settings, np.float64 if precision == "fp64" else np.float32))


@pytest.mark.parametrize("static", [False, True])
def test_loss_and_gradients_in_double_precision(chatter: Store, static: bool) -> None:
    both = wings(model__static_vectors=static, model__dropout=0.5)
    losses, gradients = both.losses_and_gradients(TrainBatches(chatter, both.settings, 0, 1).batch(0))
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-11)
    assert ("embedding.weight" in gradients[0]) is not static


@pytest.mark.parametrize(("precision", "loss", "weight"), [("fp64", 1e-12, 1e-11), ("fp32", 1e-5, 1e-4)])
def test_five_steps_of_training(chatter: Store, precision: str, loss: float, weight: float) -> None:
    """Texts of several widths, dropout, trained vectors; both bias vectors of the GRUs move."""
    both = wings(precision, input__buckets=(3,), train__batch_per_replica=2, model__dropout=0.2)
    start = tiny_words.weights(both.settings)
    losses, weights = both.trained(chatter, 5)
    assert losses[0] == pytest.approx(losses[1], rel=loss)
    tiny_text.assert_close(*weights, weight)
    assert all(np.abs(weights[0][each] - start[each]).max() > 0 for each in start)
    for wing in weights:
        assert not wing["embedding.weight"][0].any()


@pytest.mark.parametrize("padding", ["masked", "read"])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-13), ("fp32", 1e-5), ("bf16", 0.1)])
def test_evaluation(chatter: Store, precision: str, tolerance: float, padding: str) -> None:
    both = wings(precision, input__padding=padding)
    ours, theirs = both.logits(EvalBatches(chatter, both.settings, "val", 2).batch(0, 1))
    assert tiny_text.closeness(ours, theirs) < tolerance


@pytest.mark.parametrize("padding", ["masked", "read"])
def test_a_texts_outcome_depends_on_its_batch_where_padding_is_read_alone(
    tmp_path_factory: pytest.TempPathFactory, padding: str
) -> None:
    """Texts of three sentences at most, as wide as that and as wide as can be."""
    store = tiny_words.make_sentences(tmp_path_factory.mktemp("short") / "store", most=3)
    both = wings(input__padding=padding)
    few, many = (evaluated(store, both, buckets) for buckets in ((3,), ()))
    assert (few.tokens.shape[1], many.tokens.shape[1]) == (3, 5)
    for narrow, wide in zip(both.logits(few), both.logits(many), strict=True):
        assert (tiny_text.closeness(narrow, wide) < 1e-13) is (padding == "masked")


def evaluated(store: Store, both: Wings, buckets: tuple[int, ...]) -> Any:
    """The first batch of the test split."""
    return EvalBatches(store, both.settings.overridden({"input.buckets": buckets}, "test"), "test", 1).batch(0, 0)


@pytest.mark.parametrize("padding", ["masked", "read"])
def test_the_smallest_batch_is_computed(chatter: Store, padding: str) -> None:
    """Of a filler, and of texts that are longer than it is wide."""
    both = wings(input__padding=padding)
    batches = TrainBatches(chatter, both.settings, 0, 1)
    for batch in (batches.smallest(), family_of(both.settings).smallest(batches.batch(0))):
        assert batch.tokens.shape == (1, 1, 1)
        ours, theirs = both.pt.loss(torch_batch(batch)), both.tf.loss(tensorflow_batch(batch))
        assert ours.item() == pytest.approx(float(theirs), rel=1e-12)
