"""TensorFlow's convolutions over words: windows, layouts, names."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny_words

tf = pytest.importorskip("tensorflow")

from shared.families import family_of  # noqa: E402
from tf_impl import networks  # noqa: E402
from tf_impl.families.cnn import convolution  # noqa: E402


@pytest.mark.parametrize("num_windows", [1, 2, 3, 8])
def test_maxima_are_those_of_each_window(num_windows: int) -> None:
    """Window i of L places: floor(i L / n) .. ceil((i + 1) L / n); a window of a text may have one place alone."""
    widest = 29
    x = np.random.default_rng(0).standard_normal((widest, widest, 5))
    places = np.arange(1, widest + 1, dtype=np.int32)
    found = convolution.maxima(tf.constant(x), *convolution.window_bounds(tf.constant(places), num_windows)).numpy()
    for row, count in enumerate(places):
        for window in range(num_windows):
            first, end = window * count // num_windows, -(-(window + 1) * count // num_windows)
            assert np.array_equal(found[row, window], x[row, first:end].max(0)), (count, window)


def test_a_filter_sees_the_words_that_it_covers() -> None:
    """By hand, of every place, padding included."""
    generator = np.random.default_rng(0)
    x, weight, bias = (generator.standard_normal(shape) for shape in ((2, 5, 3), (4, 3, 2), (2,)))
    found = convolution.convolve(tf.constant(x), tf.constant(weight), tf.constant(bias)).numpy()
    padded = np.pad(x, ((0, 0), (3, 3), (0, 0)))
    for place in range(8):
        expected = np.einsum("nkd,kdc->nc", padded[:, place : place + 4], weight) + bias
        np.testing.assert_allclose(found[:, place], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["kim-cnn", "xml-cnn"])
@pytest.mark.parametrize("static", [False, True])
def test_every_tensor_has_its_canonical_name_and_comes_back(name: str, static: bool) -> None:
    settings = tiny_words.workload(name, model__static_vectors=static)
    weights = tiny_words.weights(settings)
    network = networks.build(settings, weights)
    again = networks.weights_of(network, settings)
    assert list(again) == list(weights)
    assert all(np.array_equal(again[each], weights[each]) for each in weights)
    family = family_of(settings)
    assert networks.num_trained(network) == family.num_trained(family.architecture(settings))
