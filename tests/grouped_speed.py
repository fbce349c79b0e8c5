"""Grouped convolutions by several ways: `python -m tests.grouped_speed [results/reference/grouped-convolutions.md]`.

A 3x3 convolution in 32 groups, forward and backward with gradients to its input and its weight, at the four sizes that
ResNeXt-101 has on pages of 224 pixels, two pages a step. The ways take turns; medians. Each way is held against the
first before it is timed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

from bench.host import machine
from bench.host.files import write_for_user
from tests.speed import TURNS, Ways, milliseconds, table
from tf_impl.families.layoutlmv2 import backbone

PAGES, GROUPS = 2, 32
SIZES = ((56, 256), (28, 512), (14, 1024), (7, 2048))  # of the map, and its channels, in the four stages of ResNeXt-101
CLOSE = 1e-3  # of the largest value: what float32 leaves of sums in another order


def torch_ways(x: np.ndarray, weight: np.ndarray, upstream: np.ndarray) -> Ways:
    """x (N, H, W, C), weight (k, k, C / groups, C'), as PyTorch has them."""

    def both_passes(last: bool, convolve: Callable[..., torch.Tensor]) -> Callable[[], object]:
        memory = torch.channels_last if last else torch.contiguous_format
        given, above = (
            torch.from_numpy(each).permute(0, 3, 1, 2).contiguous(memory_format=memory) for each in (x, upstream)
        )
        own = torch.from_numpy(weight).permute(3, 2, 0, 1).contiguous(memory_format=memory)
        given.requires_grad_(), own.requires_grad_()
        return lambda: torch.autograd.grad(convolve(given, own), (given, own), above)

    def grouped(given: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        return F.conv2d(given, own, padding=1, groups=GROUPS)

    def split(given: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        pairs = zip(given.chunk(GROUPS, 1), own.chunk(GROUPS, 0), strict=True)
        return torch.cat([F.conv2d(each, part, padding=1) for each, part in pairs], 1)

    def dense(given: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        blocks = own.unflatten(0, (GROUPS, -1))  # group, its C', C / groups, k, k
        apart = torch.eye(GROUPS)[:, None, :, None, None, None] * blocks[:, :, None]
        return F.conv2d(given, apart.flatten(2, 3).flatten(0, 1), padding=1)

    return {
        "grouped, channels last (the wing's)": both_passes(True, grouped),
        "grouped, channels first": both_passes(False, grouped),
        "a convolution a group, put together": both_passes(True, split),
        "one convolution, zeros between groups": both_passes(True, dense),
    }


def tensorflow_ways(x: np.ndarray, weight: np.ndarray, upstream: np.ndarray) -> Ways:
    """x (N, H, W, C), weight (k, k, C / groups, C')."""

    def both_passes(convolve: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[], object]:
        @tf.function(autograph=False)
        def gradients(given: tf.Tensor, own: tf.Tensor, above: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch([given, own])
                value = convolve(given, own)
            return tape.gradient(value, [given, own], above)

        values = [tf.constant(each) for each in (x, weight, upstream)]
        return lambda: [each.numpy() for each in gradients(*values)]

    def split(given: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        parts = zip(tf.split(given, GROUPS, 3), tf.split(own, GROUPS, 3), strict=True)
        return tf.concat([tf.nn.conv2d(each, part, 1, "SAME") for each, part in parts], 3)

    def dense(given: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        height, width, each, out = own.shape
        blocks = tf.reshape(own, [height, width, 1, each, GROUPS, out // GROUPS])
        apart = blocks * tf.eye(GROUPS)[:, None, :, None]
        return tf.nn.conv2d(given, tf.reshape(apart, [height, width, each * GROUPS, out]), 1, "SAME")

    def products(given: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        height, width, each, out = own.shape
        pages, down, across, _ = given.shape
        seen = tf.image.extract_patches(given, [1, height, width, 1], [1, 1, 1, 1], [1, 1, 1, 1], "SAME")
        seen = tf.reshape(seen, [pages * down * across, height * width, GROUPS, each])
        taps = tf.reshape(own, [height * width, each, GROUPS, out // GROUPS])
        return tf.reshape(tf.einsum("pkgc,kcgo->pgo", seen, taps), [pages, down, across, out])

    return {
        "grouped, channels last (the wing's)": both_passes(
            partial(backbone._convolution, stride=1, padding=1, groups=GROUPS)
        ),
        "a convolution a group, put together": both_passes(split),
        "one convolution, zeros between groups": both_passes(dense),
        "patches, a product a group": both_passes(products),
    }


def farthest(ways: Ways) -> float:
    """The largest difference between a way's gradients and the first one's, over the largest value of either."""
    first, *others = ([np.asarray(each) for each in way()] for way in ways.values())
    return max(
        float(np.abs(each - expected).max() / np.abs(expected).max())
        for other in others
        for each, expected in zip(other, first, strict=True)
    )


def report() -> str:
    """The table.

    Raises:
        AssertionError: a way computes something else.
    """
    columns = {}
    for side, channels in SIZES:
        generator = np.random.default_rng(0)
        x, upstream = (generator.standard_normal((PAGES, side, side, channels), np.float32) for _ in range(2))
        weight = generator.standard_normal((3, 3, channels // GROUPS, channels), np.float32) / side
        for wing, of_wing in (("PyTorch", torch_ways), ("TensorFlow", tensorflow_ways)):
            ways = of_wing(x, weight, upstream)
            assert farthest(ways) < CLOSE, (wing, side)
            columns[f"{wing}, {side} x {side} x {channels}"] = milliseconds(ways)
            print(wing, side, columns[f"{wing}, {side} x {side} x {channels}"], flush=True)
    lines = [
        "# Ways of a grouped convolution",
        "",
        f"Milliseconds of a 3x3 convolution in {GROUPS} groups, forward and backward, {PAGES} pages, float32, "
        f"{torch.get_num_threads()} threads: medians of {TURNS} turns. "
        "`python -m tests.grouped_speed results/reference/grouped-convolutions.md`",
        "",
        table(columns),
        "",
        f"Measured on {machine.summary()}.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = report()
    print(text)
    if sys.argv[1:]:
        write_for_user(Path(sys.argv[1]), text)
