"""The two wings side by side in one process: input, one step in double precision, evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

from shared.batches import EvalBatches
from shared.convert import from_hwio
from shared.store import Store

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.model  # noqa: E402
import pt_impl.step  # noqa: E402
import tf_impl.model  # noqa: E402
import tf_impl.step  # noqa: E402

WORKLOAD = tiny.workload(train__batch_per_replica=4)
ARCH = tiny.short(WORKLOAD)
MODEL = WORKLOAD.model


def torch_step(precision: str) -> pt_impl.step.Step:
    weights = tiny.weights(ARCH, np.float64 if precision == "fp64" else np.float32)
    network = pt_impl.model.EfficientNet(ARCH, weights, MODEL.norm_momentum, MODEL.norm_epsilon)
    return pt_impl.step.Step(network, WORKLOAD, precision, 1)


def tensorflow_step(precision: str) -> tf_impl.step.Step:
    weights = tiny.weights(ARCH, np.float64 if precision == "fp64" else np.float32)
    network = tf_impl.model.EfficientNet(ARCH, weights, MODEL.norm_momentum, MODEL.norm_epsilon)
    return tf_impl.step.Step(network, WORKLOAD, precision, 1)


def torch_batch(arrays: tuple[np.ndarray, ...]) -> tuple[torch.Tensor, ...]:
    pages, labels, *rest = (torch.from_numpy(array) for array in arrays)
    return pages, labels.long(), *rest


def tensorflow_batch(arrays: tuple[np.ndarray, ...]) -> tuple[tf.Tensor, ...]:
    return tuple(tf.constant(array) for array in arrays)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 3e-5), ("fp64", 1e-12)])
def test_augmented_input(noise: Store, precision: str, tolerance: float) -> None:
    """Noise is the worst case: an error of 1e-7 in a coordinate times 64 px times the full contrast of neighbours."""
    arrays = tiny.train_arrays(noise, WORKLOAD)
    ours = torch_step(precision).images(torch_batch(arrays), augment=True).permute(0, 2, 3, 1)
    theirs = tensorflow_step(precision).images(tensorflow_batch(arrays), augment=True)
    assert tiny.closeness(ours, theirs) < tolerance


def test_loss_gradients_and_statistics_in_double_precision(noise: Store) -> None:
    arrays = tiny.train_arrays(noise, WORKLOAD)
    left, right = torch_step("fp64"), tensorflow_step("fp64")
    (loss, _), (expected_loss, gradients) = (
        left.loss_and_gradients(torch_batch(arrays)),
        right.loss_and_gradients(tensorflow_batch(arrays)),
    )
    assert float(loss) == pytest.approx(float(expected_loss), rel=1e-11)
    names = [variable.name.removesuffix(":0") for variable in right.optimizer.parameters]
    expected = {name: from_hwio(name, g.numpy()) for name, g in zip(names, gradients, strict=True)}
    scale = max(float(np.abs(gradient).max()) for gradient in expected.values())
    for name, parameter in pt_impl.model.named_tensors(left.network).items():
        if name in expected:  # some gradients are zero but for rounding: an absolute tolerance for those
            np.testing.assert_allclose(parameter.grad, expected[name], rtol=1e-6, atol=1e-11 * scale, err_msg=name)
    statistics = tf_impl.model.weights_of(right.network)
    for name, value in pt_impl.model.weights_of(left.network).items():
        np.testing.assert_allclose(value, statistics[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_evaluation(noise: Store) -> None:
    arrays = EvalBatches(noise, WORKLOAD, "val", 2).batch(0, 1).arrays()  # two pages and two rows to fill up
    ours, theirs = (
        torch_step("fp32").evaluate(torch_batch(arrays)),
        tensorflow_step("fp32").evaluate(tensorflow_batch(arrays)),
    )
    assert ours.tolist() == pytest.approx(theirs.numpy().tolist(), rel=1e-4)
    assert ours[1] == 2
