"""The two wings side by side in one process: input, one step in double precision, evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shared.batches import EvalBatches
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Batch
from shared.layouts import from_hwio
from shared.store import Store
from shared.tasks import task_of
from tests import tiny

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.step  # noqa: E402
import tests.pt_impl.short_network  # noqa: E402
import tests.tf_impl.short_network  # noqa: E402
import tf_impl.step  # noqa: E402
from tf_impl.layers import canonical_name  # noqa: E402

WORKLOAD = tiny.workload(train__batch_per_replica=4)
SEVERAL = tiny.workload(train__batch_per_replica=4, task="labels")


def torch_step(precision: str, workload: EfficientNetWorkload = WORKLOAD) -> pt_impl.step.Step:
    return tests.pt_impl.short_network.make_step(workload, precision)


def tensorflow_step(precision: str, workload: EfficientNetWorkload = WORKLOAD) -> tf_impl.step.Step:
    return tests.tf_impl.short_network.make_step(workload, precision)


def torch_batch(batch: Batch) -> Batch:
    return type(batch)(*(torch.from_numpy(array) for array in batch))


def tensorflow_batch(batch: Batch) -> Batch:
    return type(batch)(*(tf.constant(array) for array in batch))


def assert_same_step(left: pt_impl.step.Step, right: tf_impl.step.Step, batch: Batch) -> None:
    """Loss, every gradient and every statistic after a training-mode pass, in double precision."""
    loss, _ = left.loss_and_gradients(torch_batch(batch))
    expected_loss, gradients = right.loss_and_gradients(tensorflow_batch(batch))
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-11)
    names = [canonical_name(variable) for variable in right.optimizer.parameters]
    expected = {name: from_hwio(name, g.numpy()) for name, g in zip(names, gradients, strict=True)}
    scale = max(float(np.abs(gradient).max()) for gradient in expected.values())
    trained = left.network.canonical_parameters()
    assert set(trained) == set(expected)
    for name, parameter in trained.items():  # some gradients are zero but for rounding: an absolute tolerance for those
        np.testing.assert_allclose(parameter.grad, expected[name], rtol=1e-6, atol=1e-11 * scale, err_msg=name)
    statistics = tests.tf_impl.short_network.weights_of(right.network)
    for name, value in tests.pt_impl.short_network.weights_of(left.network).items():
        np.testing.assert_allclose(value, statistics[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 3e-5), ("fp64", 1e-12)])
def test_augmented_input(noise: Store, precision: str, tolerance: float) -> None:
    """Noise is the worst case: an error of 1e-7 in a coordinate times 64 px times the full contrast of neighbours."""
    batch = tiny.train_batch(noise, WORKLOAD)
    ours = torch_step(precision).inputs(torch_batch(batch), training=True).images
    theirs = tensorflow_step(precision).inputs(tensorflow_batch(batch), training=True).images
    assert tiny.closeness(ours.permute(0, 2, 3, 1), theirs) < tolerance


def test_loss_gradients_and_statistics_in_double_precision(noise: Store) -> None:
    assert_same_step(torch_step("fp64"), tensorflow_step("fp64"), tiny.train_batch(noise, WORKLOAD))


def test_loss_gradients_and_statistics_of_several_labels(noise: Store) -> None:
    labels = (np.random.default_rng(0).random((len(noise.labels), 16)) < 0.3).astype(np.uint8)
    batch = tiny.train_batch(replace(noise, labels=labels), SEVERAL)
    assert batch.labels.shape == (4, 16)
    assert_same_step(torch_step("fp64", SEVERAL), tensorflow_step("fp64", SEVERAL), batch)


def test_evaluation(noise: Store) -> None:
    batches = EvalBatches(noise, WORKLOAD, "val", 2)
    batch, samples = batches.batch(0, 1), batches.samples(0, 1)  # two pages and two rows to fill up
    assert (len(samples), len(batch.labels)) == (2, 4)
    ours = torch_step("fp32").predict(torch_batch(batch)).numpy()
    (theirs,) = (logits.numpy() for logits in tensorflow_step("fp32").predict(tensorflow_batch(batch)))
    assert tiny.closeness(ours, theirs) < 1e-4
    of_pt, of_tf = (task_of(WORKLOAD).count(each[: len(samples)], noise.labels[samples]) for each in (ours, theirs))
    assert of_pt == pytest.approx(of_tf, rel=1e-4)
    assert of_pt["samples"] == 2
