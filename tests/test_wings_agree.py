"""The two wings side by side in one process: input, one step in double precision, evaluation."""

from __future__ import annotations

import numpy as np
import pytest

from shared.batches import Batch, EvalBatches
from shared.convert import from_hwio
from shared.store import Store
from shared.tasks import task_of
from tests import tiny

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.efficientnet  # noqa: E402
import pt_impl.networks  # noqa: E402
import pt_impl.step  # noqa: E402
import tf_impl.efficientnet  # noqa: E402
import tf_impl.networks  # noqa: E402
import tf_impl.step  # noqa: E402

WORKLOAD = tiny.workload(train__batch_per_replica=4)
ARCH = tiny.short(WORKLOAD)
MODEL = WORKLOAD.model


def torch_step(precision: str) -> pt_impl.step.Step:
    weights = tiny.weights(ARCH, np.float64 if precision == "fp64" else np.float32)
    network = pt_impl.efficientnet.EfficientNet(ARCH, weights, MODEL.norm_momentum, MODEL.norm_epsilon)
    return pt_impl.step.Step(network, WORKLOAD, precision, 1)


def tensorflow_step(precision: str) -> tf_impl.step.Step:
    weights = tiny.weights(ARCH, np.float64 if precision == "fp64" else np.float32)
    network = tf_impl.efficientnet.EfficientNet(ARCH, weights, MODEL.norm_momentum, MODEL.norm_epsilon)
    return tf_impl.step.Step(network, WORKLOAD, precision, 1)


def torch_batch(batch: Batch) -> Batch:
    return type(batch)(*(torch.from_numpy(array) for array in batch))


def tensorflow_batch(batch: Batch) -> Batch:
    return type(batch)(*(tf.constant(array) for array in batch))


def assert_same_step(left: pt_impl.step.Step, right: tf_impl.step.Step, batch: Batch) -> None:
    """Loss, every gradient and every statistic after a training-mode pass, in double precision."""
    loss, _ = left.loss_and_gradients(torch_batch(batch))
    expected_loss, gradients = right.loss_and_gradients(tensorflow_batch(batch))
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-11)
    names = [variable.name.removesuffix(":0") for variable in right.optimizer.parameters]
    expected = {name: from_hwio(name, g.numpy()) for name, g in zip(names, gradients, strict=True)}
    scale = max(float(np.abs(gradient).max()) for gradient in expected.values())
    trained = {name: p for name, p in pt_impl.networks.named_tensors(left.network).items() if p.requires_grad}
    assert set(trained) == set(expected)
    for name, parameter in trained.items():  # some gradients are zero but for rounding: an absolute tolerance for those
        np.testing.assert_allclose(parameter.grad, expected[name], rtol=1e-6, atol=1e-11 * scale, err_msg=name)
    statistics = tf_impl.networks.weights_of(right.network)
    for name, value in pt_impl.networks.weights_of(left.network).items():
        np.testing.assert_allclose(value, statistics[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 3e-5), ("fp64", 1e-12)])
def test_augmented_input(noise: Store, precision: str, tolerance: float) -> None:
    """Noise is the worst case: an error of 1e-7 in a coordinate times 64 px times the full contrast of neighbours."""
    batch = tiny.train_batch(noise, WORKLOAD)
    ours, _ = torch_step(precision).inputs(torch_batch(batch), training=True)
    theirs, _ = tensorflow_step(precision).inputs(tensorflow_batch(batch), training=True)
    assert tiny.closeness(ours.permute(0, 2, 3, 1), theirs) < tolerance


def test_loss_gradients_and_statistics_in_double_precision(noise: Store) -> None:
    assert_same_step(torch_step("fp64"), tensorflow_step("fp64"), tiny.train_batch(noise, WORKLOAD))


def test_evaluation(noise: Store) -> None:
    batches = EvalBatches(noise, WORKLOAD, "val", 2)
    batch, samples = batches.batch(0, 1), batches.samples(0, 1)  # two pages and two rows to fill up
    assert (len(samples), batch.weight.tolist()) == (2, [1.0, 1.0, 0.0, 0.0])
    ours = torch_step("fp32").predict(torch_batch(batch)).numpy()
    (theirs,) = (logits.numpy() for logits in tensorflow_step("fp32").predict(tensorflow_batch(batch)))
    assert tiny.closeness(ours, theirs) < 1e-4
    of_pt, of_tf = (task_of(WORKLOAD).count(each[: len(samples)], noise.labels[samples]) for each in (ours, theirs))
    assert of_pt == pytest.approx(of_tf, rel=1e-4)
    assert of_pt["samples"] == 2
