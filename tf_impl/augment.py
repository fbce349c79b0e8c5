"""Pages to network input on the device: shear, normalise, grey to three channels. Mirror: `pt_impl/augment.py`."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

WHITE = 255.0  # paper: what a shear uncovers


def network_input(
    pixels: tf.Tensor, shear: tf.Tensor | None, mean: Sequence[float], std: Sequence[float], dtype: tf.DType
) -> tf.Tensor:
    """Grey pixels (N, H, W) uint8 to images (N, H, W, 3), (value / 255 - mean) / std per channel.

    Args:
        shear: slope of each page (N), pixels per row; None leaves the pages as they are.
        dtype: of the images; the arithmetic before it is at least float32.
    """
    exact = tf.float64 if dtype == tf.float64 else tf.float32
    ink = WHITE - tf.cast(pixels, exact)  # white is 0, so that zeros fill what a shear uncovers
    if shear is not None:
        ink = sheared(ink, shear)
    scale = tf.constant([-1.0 / (WHITE * s) for s in std], exact)
    offset = tf.constant([(1.0 - m) / s for m, s in zip(mean, std, strict=True)], exact)
    return tf.cast(ink[..., None] * scale + offset, dtype)


def sheared(x: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Shift row y of each page (N, H, W) by slope * (y - (H - 1) / 2) pixels, linear between pixels, 0 outside."""
    height, width = x.shape[1], x.shape[2]
    slope = tf.cast(slope, tf.float32)  # the kernel takes no other; exact, see shared.draws.SLOPE_STEPS
    zero, one = tf.zeros_like(slope), tf.ones_like(slope)
    projection = tf.stack([one, slope, -slope * ((height - 1) / 2), zero, one, zero, zero, zero], axis=1)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x[..., None],
        transforms=projection,
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[..., 0]
