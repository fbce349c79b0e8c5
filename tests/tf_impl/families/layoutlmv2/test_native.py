"""TensorFlow has no library with LayoutLMv2, and says so; its grouped convolutions, by either way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests import tiny, tiny_layout

tf = pytest.importorskip("tensorflow")

from shared.errors import UserError  # noqa: E402
from shared.store import Store  # noqa: E402
from tf_impl.families.layoutlmv2 import backbone, native, peer  # noqa: E402


def test_it_is_one_line_that_says_what_to_do(scrawl: Store, tmp_path: Path) -> None:
    cell = tiny.make_cell(tmp_path, scrawl.path, workload=tiny_layout.workload(), arm="native")
    for ask in (native.NativeNetwork, peer.peer_step):
        with pytest.raises(UserError, match="no library of TensorFlow has this network; leave --arm native to"):
            ask(cell)


@pytest.mark.parametrize(("stride", "size"), [(1, 6), (2, 6), (2, 8)])
def test_groups_apart_are_the_grouped_convolution(stride: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its definition: each group's outputs of its own inputs, symmetric padding."""
    rng, groups = np.random.default_rng(0), 3
    x, weight = rng.standard_normal((2, size, size, 6)), rng.standard_normal((3, 3, 2, 9))
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    out = (size - 1) // stride + 1
    expected = np.zeros((2, out, out, 9))
    for group in range(groups):
        own, outputs = padded[..., 2 * group : 2 * group + 2], slice(3 * group, 3 * group + 3)
        for down in range(3):
            for across in range(3):
                seen = own[:, down : down + stride * out : stride, across : across + stride * out : stride][
                    :, :out, :out
                ]
                expected[..., outputs] += seen @ weight[down, across, :, outputs]
    monkeypatch.setattr(backbone, "_has_gradient", lambda dtype: False)
    apart = backbone._convolution(tf.constant(x), tf.constant(weight), stride, 1, groups)
    np.testing.assert_allclose(apart, expected, rtol=1e-12, atol=1e-12)
    monkeypatch.setattr(backbone, "_has_gradient", lambda dtype: True)
    together = backbone._convolution(tf.constant(x), tf.constant(weight), stride, 1, groups)
    np.testing.assert_allclose(together, expected, rtol=1e-12, atol=1e-12)


def test_the_probe_tells_what_a_gradient_would_do() -> None:
    for dtype in (tf.float32, tf.float64):
        x, weight = tf.ones([1, 4, 4, 4], dtype), tf.ones([3, 3, 2, 4], dtype)
        with tf.GradientTape() as tape:
            tape.watch([x, weight])
            value = tf.nn.conv2d(x, weight, 1, "SAME")
        try:
            tape.gradient(value, [x, weight])
            works = True
        except tf.errors.OpError:
            works = False
        assert backbone._has_gradient(dtype) is works
