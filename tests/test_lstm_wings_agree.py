"""The two wings' bidirectional LSTM side by side: gradients, steps with all drops, the average of the weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared.average import correction
from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.families.lstm.architecture import published_counts
from shared.store import Store
from tests import tiny_text, tiny_words

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

from pt_impl import networks as pt_networks  # noqa: E402
from tests.test_text_wings_agree import Wings, tensorflow_batch, torch_batch  # noqa: E402
from tf_impl import networks as tf_networks  # noqa: E402


def wings(precision: str = "fp64", **changes: Any) -> Wings:
    """Both wings of a small network."""
    settings = tiny_words.workload("lstm", model__hidden_size=16, **changes)
    return Wings(settings, precision, tiny_words.weights(settings, np.float64 if precision == "fp64" else np.float32))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("words") / "store", lengths=(1, 20), long_ones=3)


def weights_of(both: Wings) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    return (
        pt_networks.weights_of(both.pt.network, both.settings),
        tf_networks.weights_of(both.tf.network, both.settings),
    )


@pytest.mark.parametrize("drop", ["dropout", "weight_drop", "embedding_dropout"])
def test_loss_and_gradients_in_double_precision_with_every_drop(store: Store, drop: str) -> None:
    both = wings()
    batch = TrainBatches(store, both.settings, 0, 1).batch(0)
    losses, gradients = both.losses_and_gradients(batch)
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-11)
    changes: dict[str, Any] = {f"model__{drop}": 0.0}
    without, _ = wings(**changes).losses_and_gradients(batch)
    assert losses[0] != pytest.approx(without[0], rel=1e-6)


@pytest.mark.parametrize(("precision", "loss", "weight"), [("fp64", 1e-12, 1e-11), ("fp32", 1e-5, 1e-4)])
@pytest.mark.parametrize("start", ["zero", "copy"])
def test_five_steps_of_training_and_the_average(
    store: Store, precision: str, loss: float, weight: float, start: str
) -> None:
    both = wings(precision, input__buckets=(16,), average__start=start)
    losses, weights = both.trained(store, 5)
    assert losses[0] == pytest.approx(losses[1], rel=loss)
    tiny_text.assert_close(*weights, weight)
    with both.pt.averaged(), both.tf.averaged():
        averages = weights_of(both)
    tiny_text.assert_close(*averages, weight)
    assert all(np.abs(averages[0][name] - weights[0][name]).max() > 0 for name in averages[0])
    for after, before in zip(weights_of(both), weights, strict=True):  # the trained weights are back, to the bit
        assert all(np.array_equal(after[name], before[name]) for name in before)


def test_the_average_is_as_it_is_stated(store: Store) -> None:
    both = wings(average__decay=0.75)
    batches, average = TrainBatches(store, both.settings, 0, 1), np.zeros(1)
    for step in range(3):
        batch = batches.batch(step)
        both.pt.train(torch_batch(batch), 0.01)
        average = 0.75 * average + 0.25 * weights_of(both)[0]["classifier.weight"]
    both.pt.settle()
    found = weights_of(both)[0]["classifier.weight"]
    np.testing.assert_allclose(found, average / correction(0.75, 3), rtol=1e-13)


def test_a_copy_is_too_large_at_first_and_so_are_static_vectors(store: Store) -> None:
    both = wings(model__static_vectors=True, average__start="copy")
    start = tiny_words.weights(both.settings)["embedding.vectors"]
    both.trained(store, 1)
    with both.pt.averaged(), both.tf.averaged():
        for wing in weights_of(both):
            np.testing.assert_allclose(wing["embedding.vectors"], start / correction(0.99, 1), rtol=1e-6)


def test_what_is_kept_is_restored(store: Store) -> None:
    both = wings()
    _, before = both.trained(store, 2)
    kept = both.pt.tensors(), both.tf.tensors()
    both.trained(store, 2)
    both.pt.put(kept[0])
    both.tf.put(kept[1])
    for found, expected in zip(weights_of(both), before, strict=True):
        assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-13), ("fp32", 1e-5), ("bf16", 0.1)])
def test_evaluation(store: Store, precision: str, tolerance: float) -> None:
    both = wings(precision)
    ours, theirs = both.logits(EvalBatches(store, both.settings, "val", 2).batch(0, 1))
    assert tiny_text.closeness(ours, theirs) < tolerance


def test_a_texts_outcome_does_not_depend_on_the_width_of_its_batch(store: Store) -> None:
    both = wings()
    workloads = (both.settings.overridden({"input.max_words": width}, "test") for width in (20, 32))
    narrow, wide = (both.logits(EvalBatches(store, each, "test", 1).batch(0, 0)) for each in workloads)
    for few, many in zip(narrow, wide, strict=True):
        assert tiny_text.closeness(few, many) < 1e-13


def test_what_is_drawn_for_a_step_is_the_same_on_every_replica_and_of_any_number(store: Store) -> None:
    settings = tiny_words.workload("lstm")
    two, one = (
        TrainBatches(store, settings, 0, 2),
        TrainBatches(store, settings.overridden({"train.batch_per_replica": 8}, "test"), 0, 1),
    )
    for step in range(2):
        keys = [
            batches.batch(step, replica)._asdict()["step_keys"] for batches, replica in ((two, 0), (two, 1), (one, 0))
        ]
        assert all((each == keys[0][0]).all() for each in keys)
    assert not (two.batch(0, 0)._asdict()["step_keys"] == two.batch(1, 0)._asdict()["step_keys"]).all()
    assert not EvalBatches(store, settings, "val", 1).batch(0, 0)._asdict()["step_keys"].any()


def test_a_word_of_the_vocabulary_is_dropped_wherever_it_stands(store: Store) -> None:
    both = wings(model__embedding_dropout=0.5)
    batch: Any = torch_batch(TrainBatches(store, both.settings, 0, 1).batch(0))
    arch = family_of(both.settings).architecture(both.settings)
    drops = both.pt.family.drops(batch, both.settings)
    factors = drops.word_factors(batch.tokens, arch, torch.float64).numpy()
    for word in np.unique(batch.tokens.numpy()):
        assert len(np.unique(factors[batch.tokens.numpy() == word])) == 1
    assert set(np.unique(factors)) == {0.0, 2.0}


def test_the_smallest_batch_is_computed(store: Store) -> None:
    both = wings()
    batches = TrainBatches(store, both.settings, 0, 1)
    for batch in (batches.smallest(), family_of(both.settings).smallest(batches.batch(0))):
        assert batch._asdict()["tokens"].shape == (1, 1)
        ours, theirs = both.pt.loss(torch_batch(batch)), both.tf.loss(tensorflow_batch(batch))
        assert ours.item() == pytest.approx(float(theirs), rel=1e-12)


def test_the_published_number_of_parameters() -> None:
    arch = family_of(tiny_words.workload("lstm")).architecture(tiny_words.workload("lstm"))
    counted, published = published_counts(arch)
    assert counted == published == 3_334_144 + 1025 * arch.num_classes
