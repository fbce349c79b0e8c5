"""The two wings' BERT side by side in one process: logits, gradients, AdamW steps, evaluation, checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.batches import EvalBatches, TrainBatches
from shared.family import Batch, Weights
from shared.layouts import from_hwio
from shared.schedule import learning_rates
from shared.store import Store
from shared.weights import load_weights, save_weights
from tests import tiny_text

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.networks  # noqa: E402
import pt_impl.step  # noqa: E402
import tf_impl.networks  # noqa: E402
import tf_impl.step  # noqa: E402
from tf_impl.layers import canonical_name  # noqa: E402

DTYPES = {"fp64": np.float64}


@dataclass
class Wings:
    """Both wings' steps of one workload, from the same weights."""

    settings: Any  # a workload
    precision: str
    weights: Weights | None = None

    def __post_init__(self) -> None:
        dtype = DTYPES.get(self.precision, np.float32)
        start = self.weights or tiny_text.weights(tiny_text.architecture(self.settings), dtype)
        self.pt = pt_impl.step.Step(pt_impl.networks.build(self.settings, start), self.settings, self.precision, 1)
        self.tf = tf_impl.step.Step(tf_impl.networks.build(self.settings, start), self.settings, self.precision, 1)

    def losses_and_gradients(self, batch: Batch) -> tuple[tuple[float, float], tuple[Weights, Weights]]:
        """Of a training batch; gradients by canonical name and layout."""
        ours_loss, _ = self.pt.loss_and_gradients(torch_batch(batch))
        ours = {n: p.grad.numpy() for n, p in self.pt.network.canonical_parameters().items()}
        theirs_loss, gradients = self.tf.loss_and_gradients(tensorflow_batch(batch))
        names = [canonical_name(variable) for variable in self.tf.optimizer.parameters]
        theirs = {n: from_hwio(n, g.numpy()) for n, g in zip(names, gradients, strict=True)}
        return (ours_loss.item(), float(theirs_loss)), (ours, theirs)

    def trained(self, store: Store, steps: int) -> tuple[tuple[list[float], list[float]], tuple[Weights, Weights]]:
        """Losses of some steps of a training, and the weights after them."""
        batches, schedule = TrainBatches(store, self.settings, 0, 1), self.settings.schedule
        losses: tuple[list[float], list[float]] = ([], [])
        for step, rate in enumerate(learning_rates(schedule, schedule.peak_rate, 2 * steps, 4)[:steps]):
            batch = batches.batch(step)
            losses[0].append(self.pt.train(torch_batch(batch), float(rate)).item())
            losses[1].append(float(self.tf.train(tensorflow_batch(batch), float(rate))))
        return losses, self.weights_now()

    def weights_now(self) -> tuple[Weights, Weights]:
        """By canonical name and layout."""
        ours = pt_impl.networks.weights_of(self.pt.network, self.settings)
        return ours, tf_impl.networks.weights_of(self.tf.network, self.settings)

    def logits(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Of an evaluation batch, in the precision that was asked for."""
        with torch.no_grad():
            ours = self.pt.logits(self.pt.inputs(torch_batch(batch), training=False))
        theirs = self.tf.logits(self.tf.inputs(tensorflow_batch(batch), training=False))
        return ours.double().numpy(), tf.cast(theirs, tf.float64).numpy()


def torch_batch(batch: Batch) -> Batch:
    return type(batch)(*(torch.from_numpy(array) for array in batch))


def tensorflow_batch(batch: Batch) -> Batch:
    return type(batch)(*(tf.constant(array) for array in batch))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "store", lengths=(3, 20), long_ones=3)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_text.make_store(tmp_path_factory.mktemp("texts") / "several", multi_label=True)


def assert_close_but_for_keys(weights: tuple[Weights, Weights], tolerance: float) -> None:
    """The gradient of a key's bias is zero but for rounding (it moves all of a token's scores by the same), and Adam
    makes steps of the rounding errors, however small: those may go either way."""
    ours, theirs = ({n: w for n, w in each.items() if not n.endswith("key.bias")} for each in weights)
    tiny_text.assert_close(ours, theirs, tolerance)
    for name in set(weights[0]) - set(ours):
        np.testing.assert_allclose(weights[0][name], weights[1][name], atol=5 * WORKLOAD.schedule.peak_rate)


WORKLOAD = tiny_text.workload()
BUCKETED = tiny_text.workload(input__buckets=(16,))
SEVERAL = tiny_text.workload(task="labels")


def test_loss_and_gradients_in_double_precision_with_dropout(store: Store) -> None:
    wings, batch = Wings(WORKLOAD, "fp64"), tiny_text.train_batch(store, WORKLOAD)
    assert batch.drop_keys.any()
    losses, gradients = wings.losses_and_gradients(batch)
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-10)
    calm = tiny_text.calm()
    undropped, _ = Wings(calm, "fp64").losses_and_gradients(tiny_text.train_batch(store, calm))
    assert losses[0] != pytest.approx(undropped[0], rel=1e-3)


def test_loss_and_gradients_of_several_labels(several: Store) -> None:
    losses, gradients = Wings(SEVERAL, "fp64").losses_and_gradients(tiny_text.train_batch(several, SEVERAL))
    assert losses[0] == pytest.approx(losses[1], rel=1e-13)
    tiny_text.assert_close(*gradients, 1e-10)


@pytest.mark.parametrize(("precision", "loss", "weight"), [("fp64", 1e-12, 1e-11), ("fp32", 1e-5, 1e-4)])
def test_five_steps_of_training(store: Store, precision: str, loss: float, weight: float) -> None:
    """Texts of several widths, dropout, changing rates, each layer's own rate, decay."""
    losses, weights = Wings(BUCKETED if precision == "fp64" else WORKLOAD, precision).trained(store, 5)
    assert losses[0] == pytest.approx(losses[1], rel=loss)
    assert_close_but_for_keys(weights, weight)
    start = tiny_text.weights(tiny_text.architecture(WORKLOAD))
    assert all(np.abs(weights[0][name] - start[name]).max() > 0 for name in start)


def test_five_steps_with_several_labels(several: Store) -> None:
    losses, weights = Wings(SEVERAL, "fp64").trained(several, 5)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert_close_but_for_keys(weights, 1e-11)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp64", 1e-13), ("fp32", 1e-5), ("bf16", 0.05)])
def test_evaluation(store: Store, precision: str, tolerance: float) -> None:
    batches = EvalBatches(store, WORKLOAD, "val", 2)
    batch = batches.batch(0, 1)
    assert (len(batches.samples(0, 1)), len(batch.labels)) == (3, 4)  # a row fills up
    ours, theirs = Wings(WORKLOAD, precision).logits(batch)
    assert tiny_text.closeness(ours, theirs) < tolerance


def test_predictions_are_single_precision_in_every_precision(store: Store) -> None:
    batch = EvalBatches(store, WORKLOAD, "val", 1).batch(0, 0)
    for precision in ("fp64", "fp32", "bf16"):
        wings = Wings(WORKLOAD, precision)
        ours, (theirs,) = wings.pt.predict(torch_batch(batch)), wings.tf.predict(tensorflow_batch(batch))
        assert (ours.dtype, theirs.dtype) == (torch.float32, tf.float32)
        assert ours.shape == theirs.shape == (4, 4)


def test_bf16_training_is_plausible(store: Store) -> None:
    ours, theirs = Wings(WORKLOAD, "bf16").trained(store, 3)[0]
    exact, _ = Wings(WORKLOAD, "fp32").trained(store, 3)[0]
    assert ours == pytest.approx(exact, rel=0.05)
    assert theirs == pytest.approx(exact, rel=0.05)
    assert ours != exact


def test_what_one_wing_saves_the_other_starts_from(store: Store, tmp_path: Path) -> None:
    batch = EvalBatches(store, WORKLOAD, "val", 1).batch(0, 0)
    wings = Wings(WORKLOAD, "fp32")
    expected, _ = wings.logits(batch)
    for wing, weights in zip(("pt", "tf"), wings.weights_now(), strict=True):
        save_weights(tmp_path / f"{wing}.safetensors", weights)
        again = Wings(WORKLOAD, "fp32", load_weights(tmp_path / f"{wing}.safetensors", WORKLOAD))
        assert all(tiny_text.closeness(logits, expected) < 1e-5 for logits in again.logits(batch))


def test_both_wings_start_from_a_folder_of_the_library(store: Store, tmp_path: Path) -> None:
    """The first two of four layers, a seeded classifier."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = WORKLOAD.model
    config = transformers.BertConfig(
        vocab_size=model.vocabulary_size,
        hidden_size=model.hidden_size,
        num_hidden_layers=4,
        num_attention_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        max_position_embeddings=model.max_positions,
        initializer_range=0.2,
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    weights = load_weights(tmp_path, WORKLOAD, seed=1)
    ours, theirs = Wings(WORKLOAD, "fp32", weights).logits(EvalBatches(store, WORKLOAD, "val", 1).batch(0, 0))
    assert tiny_text.closeness(ours, theirs) < 1e-5
    assert np.ptp(ours, axis=0).max() > 0
