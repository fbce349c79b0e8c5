"""The network against `keras.applications`' of the same weights; names, counts, layouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from shared.families.efficientnet import FAMILY  # noqa: E402
from shared.families.efficientnet.architecture import architecture, is_statistic, parameter_shapes  # noqa: E402
from shared.families.efficientnet.convert import from_keras, keras_name, to_keras  # noqa: E402
from shared.families.efficientnet.settings import EfficientNetWorkload  # noqa: E402
from shared.family import Weights  # noqa: E402
from shared.layouts import from_hwio, to_hwio  # noqa: E402
from tf_impl.families.efficientnet.inputs import Drops, Inputs  # noqa: E402
from tf_impl.families.efficientnet.network import EfficientNet  # noqa: E402
from tf_impl.networks import build, named_tensors, weights_of  # noqa: E402

WORKLOAD = tiny.workload()  # EfficientNet-B0, 16 classes
TEN_CLASSES = tiny.workload(model__num_classes=10)
SIZE = 64
NOT_OURS = ("normalization", "seed_generator")  # the layer in front of the network, the state of dropout


@pytest.fixture(scope="module")
def oracle() -> keras.Model:
    """B0 with logits; its own normalisation is what `weights=None` leaves it: value / 255."""
    return keras.applications.EfficientNetB0(
        weights=None, input_shape=(SIZE, SIZE, 3), classes=10, classifier_activation=None
    )


def calibrated(workload: EfficientNetWorkload, images: tf.Tensor) -> Weights:
    """Varied weights whose statistics are a batch's: with random ones the activations of a deep network explode."""
    dtype = images.dtype.as_numpy_dtype
    arch = replace(FAMILY.architecture(workload), norm_momentum=0.0)
    network = EfficientNet(arch, tiny.weights(arch, dtype))
    network(Inputs(images), training=True)
    return weights_of(network, workload)


def with_weights(model: keras.Model, weights: dict[str, np.ndarray]) -> keras.Model:
    """Assign by path."""
    theirs = to_keras(weights, "b0")
    paths = {variable.path for variable in model.variables}
    assert set(theirs) <= paths
    assert all(path.startswith(NOT_OURS) for path in paths - set(theirs))
    for variable in model.variables:
        if variable.path in theirs:
            variable.assign(theirs[variable.path])
    return model


def test_logits_are_those_of_keras(oracle: keras.Model) -> None:
    raw = np.random.default_rng(0).uniform(0, 255, (3, SIZE, SIZE, 3)).astype(np.float32)
    images = tf.constant(raw / 255)
    weights = calibrated(TEN_CLASSES, images)
    ours = build(TEN_CLASSES, weights)(Inputs(images))
    expected = with_weights(oracle, weights)(raw, training=False).numpy()
    assert expected.std() > 0.01
    assert tiny.closeness(ours, expected) < 1e-4


@pytest.mark.slow
def test_logits_are_those_of_keras_in_float64() -> None:
    keras.config.set_dtype_policy("float64")
    try:
        model = keras.applications.EfficientNetB0(
            weights=None, input_shape=(SIZE, SIZE, 3), classes=10, classifier_activation=None
        )
    finally:
        keras.config.set_dtype_policy("float32")
    # whatever the policy, the library keeps its input and its factor of 1 / 255 in float32
    raw = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3)).astype(np.float64)
    images = tf.constant(raw * np.float64(np.float32(1 / 255)))
    weights = calibrated(TEN_CLASSES, images)
    ours = build(TEN_CLASSES, weights)(Inputs(images))
    expected = with_weights(model, weights)(tf.constant(raw), training=False).numpy()
    assert expected.dtype == np.float64
    assert tiny.closeness(ours, expected) < 1e-10


@pytest.mark.parametrize("variant", ["b2", "b4"])
def test_names_and_shapes_are_the_librarys(variant: str) -> None:
    model = getattr(keras.applications, f"EfficientNet{variant.upper()}")(weights=None, classes=16)
    theirs = {v.path: tuple(v.shape) for v in model.variables if not v.path.startswith(NOT_OURS)}
    shapes = parameter_shapes(architecture(variant, 16))
    ours = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    assert {path: value.shape for path, value in to_keras(ours, variant).items()} == theirs


def test_converting_there_and_back_changes_nothing() -> None:
    arch = architecture("b0", 16)
    weights = tiny.weights(arch)
    there = to_keras(weights, "b0")
    assert len(there) == len(weights) == 311
    assert there[keras_name("blocks.3.squeeze.weight", "b0")].shape[:2] == (1, 1)
    back = from_keras(there, "b0", arch)
    assert list(back) == list(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)
    assert all(np.array_equal(from_hwio(name, to_hwio(name, value)), value) for name, value in weights.items())


def test_a_network_holds_the_canonical_tensors() -> None:
    arch = FAMILY.architecture(WORKLOAD)
    weights = tiny.weights(arch)
    network = build(WORKLOAD, weights)
    tensors = named_tensors(network, WORKLOAD)
    assert list(tensors) == list(parameter_shapes(arch))
    assert len(network.variables) == len(tensors)
    trained = {variable.name.removesuffix(":0") for variable in network.trainable_variables}
    assert trained == set(network.canonical_parameters()) == {name for name in tensors if not is_statistic(name)}
    assert sum(int(np.prod(variable.shape)) for variable in network.trainable_variables) == FAMILY.num_trained(arch)
    copied = weights_of(network, WORKLOAD)
    assert {name: value.shape for name, value in copied.items()} == parameter_shapes(arch)
    assert all(np.array_equal(copied[name], weights[name]) for name in weights)


def test_a_skipped_branch_and_a_dropped_unit_change_nothing_but_their_sample() -> None:
    arch = FAMILY.architecture(WORKLOAD)
    inputs = Inputs(tf.constant(np.random.default_rng(0).standard_normal((2, 32, 32, 3)), tf.float32))
    network = build(WORKLOAD, calibrated(WORKLOAD, inputs.images))
    keep_block = np.ones((2, len(arch.blocks)), np.float32)
    keep_unit = np.ones((2, arch.head_channels), np.float32)
    drops = Drops(keep_block, keep_unit)
    plain = network(inputs).numpy()
    np.testing.assert_allclose(network(inputs, drops), plain, atol=1e-5)
    keep_block[0, 2] = 0.0  # a residual block
    dropped = network(inputs, drops).numpy()
    keep_unit[1] = 0.0
    headless = network(inputs, drops).numpy()
    assert np.abs(dropped[0] - plain[0]).max() > 1e-3
    np.testing.assert_allclose(dropped[1], plain[1], atol=1e-5)
    np.testing.assert_allclose(headless[1], network.classifier.bias, atol=1e-6)
    np.testing.assert_allclose(headless[0], dropped[0], atol=1e-5)
