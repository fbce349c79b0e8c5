"""Shear and normalisation on the device."""

from __future__ import annotations

import numpy as np
import pytest

from tests import tiny

tf = pytest.importorskip("tensorflow")

from tf_impl.augment import network_input, sheared  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SLOPES = np.array([0.0, 5.0, -357.0, 358.0, 1024.0]) / 4096  # multiples of 2^-12, the last beyond five degrees


def pages(height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(SLOPES), height, width), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (17, 24)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(tf.float32, 1e-6), (tf.float64, 1e-12)])
def test_shear_is_that_of_numpy(size: tuple[int, int], dtype: tf.DType, tolerance: float) -> None:
    x = pages(*size)
    ours = sheared(tf.constant(x, dtype), tf.constant(SLOPES, dtype))
    assert tiny.closeness(ours, tiny.sheared(x, SLOPES)) < tolerance


def test_no_slope_is_no_change() -> None:
    x = tf.constant(pages(), tf.float64)
    np.testing.assert_allclose(sheared(x, tf.zeros(len(x))), x, atol=1e-10)


def test_what_a_shear_uncovers_is_white() -> None:
    black = tf.zeros((1, 32, 32), tf.uint8)
    images = network_input(black, tf.constant([0.25]), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), tf.float32).numpy()
    assert images[0, 0, 0].tolist() == pytest.approx([1.0] * 3)  # the top row slides away from the left edge
    assert images[0, -1, -1].tolist() == pytest.approx([1.0] * 3)
    assert images[0, 16, 16].tolist() == pytest.approx([0.0] * 3, abs=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_normalisation(dtype: tf.DType) -> None:
    page = tf.constant([[[0, 51], [204, 255]]], tf.uint8)
    images = network_input(page, None, MEAN, STD, dtype)
    expected = (np.array([[0.0, 0.2], [0.8, 1.0]])[..., None] - MEAN) / STD
    assert images.dtype == dtype
    assert images.shape == (1, 2, 2, 3)
    assert tiny.closeness(images[0], expected) < (1e-6 if dtype == tf.float32 else 1e-14)


def test_reduced_precision_rounds_only_the_result() -> None:
    x, slopes = tf.constant(pages()), tf.constant(SLOPES, tf.float32)
    exact = network_input(x, slopes, MEAN, STD, tf.float32)
    reduced = network_input(x, slopes, MEAN, STD, tf.bfloat16)
    assert np.array_equal(reduced, tf.cast(exact, tf.bfloat16))
