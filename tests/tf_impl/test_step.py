"""One step on a tiny batch: gradients, evaluation, freezing, precisions, loss scaling."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")

from shared import loss_scale  # noqa: E402
from shared.families.efficientnet.batch import PageBatch  # noqa: E402
from shared.family import Batch  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.tf_impl import short_network  # noqa: E402
from tests.tf_impl.short_network import weights_of  # noqa: E402
from tf_impl import ops  # noqa: E402
from tf_impl.step import Step  # noqa: E402

WORKLOAD = tiny.workload(train__batch_per_replica=4, model__norm_momentum=0.1)


def make_step(precision: str = "fp32") -> Step:
    return short_network.make_step(WORKLOAD, precision)


def page_batch(store: Store) -> Batch:
    return PageBatch(*(tf.constant(array) for array in tiny.train_batch(store, WORKLOAD)))


@pytest.fixture
def batch(noise: Store) -> Batch:
    return page_batch(noise)


@pytest.fixture(scope="module")
def trained(noise: Store) -> Step:
    """A step whose statistics are nearly the batch's; with others the pages' differences would vanish. Its graphs are
    traced once for the tests that can share them."""
    step = make_step()
    step.train(page_batch(noise), 0.0)
    return step


def changed(step: Step, before: dict[str, np.ndarray]) -> set[str]:
    return {name for name, value in weights_of(step.network).items() if not np.array_equal(value, before[name])}


def test_loss_and_gradients_are_those_of_the_plain_operators(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    step = make_step("fp64")
    loss, gradients = step.loss_and_gradients(batch)

    def depthwise(x: tf.Tensor, weight: tf.Tensor, stride: int) -> tf.Tensor:
        return tf.nn.depthwise_conv2d(x, weight, [1, stride, stride, 1], "SAME")

    def squeeze_excite(x: tf.Tensor, w1: tf.Tensor, b1: tf.Tensor, w2: tf.Tensor, b2: tf.Tensor) -> tf.Tensor:
        gate = tf.sigmoid(tf.nn.silu(tf.reduce_mean(x, [1, 2]) @ w1 + b1) @ w2 + b2)
        return x * gate[:, None, None, :]

    monkeypatch.setattr(ops, "depthwise", depthwise)
    monkeypatch.setattr(ops, "norm_silu", lambda *inputs, **settings: tf.nn.silu(ops.batch_norm(*inputs, **settings)))
    monkeypatch.setattr(ops, "squeeze_excite", squeeze_excite)
    plain = make_step("fp64")
    plain_loss, plain_gradients = plain.loss_and_gradients(batch)
    assert float(loss) == pytest.approx(float(plain_loss), rel=1e-12)
    scale = max(float(tf.reduce_max(tf.abs(gradient))) for gradient in plain_gradients)
    for ours, theirs in zip(gradients, plain_gradients, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-11 * scale)
    expected = weights_of(plain.network)
    assert all(np.allclose(value, expected[name], rtol=1e-10) for name, value in weights_of(step.network).items())


def test_drops_are_the_batchs(batch: Batch) -> None:
    step = make_step()
    whole = float(step.loss(batch))
    for field in ("keep_block", "keep_unit"):
        neutral = batch._replace(**{field: tf.ones_like(getattr(batch, field))})
        assert whole != pytest.approx(float(step.loss(neutral)), rel=1e-4), field


def test_prediction_is_the_networks_and_a_row_that_fills_up_leaves_the_others_alone(
    trained: Step, batch: Batch
) -> None:
    expected = trained.network(trained.inputs(batch, training=False)).numpy()  # nothing is dropped in evaluation
    (logits,) = (replica.numpy() for replica in trained.predict(batch))
    assert logits.std(0).max() > 0.01
    assert tiny.closeness(logits, expected) < 1e-5
    pages = batch.pixels.numpy().copy()
    pages[2] = 0
    spoilt = batch._replace(pixels=tf.constant(pages), shear=batch.shear + 1, keep_unit=batch.keep_unit * 0)
    (again,) = (replica.numpy() for replica in trained.predict(spoilt))
    others = [0, 1, 3]
    np.testing.assert_allclose(again[others], logits[others], rtol=1e-5, atol=1e-6)
    assert np.abs(again[2] - logits[2]).max() > 1e-3


def test_evaluation_changes_nothing(trained: Step, batch: Batch) -> None:
    before = weights_of(trained.network)
    trained.predict(batch)
    assert not changed(trained, before)


def test_a_training_step_moves_every_tensor_and_after_freezing_only_the_classifier(trained: Step, batch: Batch) -> None:
    before = weights_of(trained.network)
    trained.train(batch, 1e-3)
    assert changed(trained, before) == set(before)
    trained.train(batch, 0.0)
    trained.freeze()
    before = weights_of(trained.network)
    losses = [float(trained.train(batch, 0.01)) for _ in range(3)]
    assert changed(trained, before) == {"classifier.weight", "classifier.bias"}
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_reduced_precision_is_near_single(batch: Batch, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 8.0)
    exact, _ = make_step().loss_and_gradients(batch)
    loss, gradients = make_step(precision).loss_and_gradients(batch)
    assert loss.dtype == tf.float32
    assert float(loss) == pytest.approx(float(exact), rel=0.1)
    assert all(gradient.dtype == tf.float32 and np.isfinite(gradient).all() for gradient in gradients)


def test_an_overflow_skips_the_step_and_halves_the_scale(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 2.0**100)
    step = make_step("fp16")
    before = weights_of(step.network)
    step.train(batch, 0.1)
    assert float(step.scale) == 2.0**99
    assert all(name.endswith(("running_mean", "running_var")) for name in changed(step, before))


def test_the_scale_grows_after_good_steps_in_a_row_and_is_taken_out_of_the_update(
    batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loss_scale, "INITIAL_SCALE", 8.0)
    monkeypatch.setattr(loss_scale, "INTERVAL", 2)
    step = make_step("fp16")
    weight = next(v for v in step.optimizer.parameters if v.name.startswith("classifier.weight"))
    gradients = step.loss_and_gradients(batch)[1]
    gradient = next(g for g, v in zip(gradients, step.optimizer.parameters, strict=True) if v is weight)
    before, scales = weight.numpy().copy(), []
    step.train(batch, 0.5)
    scales.append(float(step.scale))
    assert tiny.closeness(weight.numpy() - before, -0.5 * (gradient / 8.0 + 4e-5 * before)) < 0.02
    for _ in range(3):
        step.train(batch, 0.0)
        scales.append(float(step.scale))
    assert scales == [8.0, 16.0, 16.0, 32.0]


def test_the_parts_of_a_step_leave_nothing_behind(batch: Batch) -> None:
    """The loss is that of a step, again and again; an update at a rate of 0 moves no weight."""
    step = make_step()
    expected, _ = make_step().loss_and_gradients(batch)
    before = weights_of(step.network)
    update = step.updates(batch)
    for _ in range(2):
        assert float(step.backward(batch)) == pytest.approx(float(expected), rel=1e-4)
        update()
        assert float(tf.reduce_max(tf.abs(step.optimizer.buffers[0]))) > 0  # it had gradients to work with
    assert all("running" in name or "mean" in name or "variance" in name for name in changed(step, before))
