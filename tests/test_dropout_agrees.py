"""One function, three homes: the bytes of NumPy, PyTorch and TensorFlow, eager and compiled."""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import pytest

from shared.dropout import drop_keys, noise, scale
from shared.dropout import kept as reference_kept

torch = pytest.importorskip("torch")
tf = pytest.importorskip("tensorflow")

import pt_impl.dropout  # noqa: E402
import tf_impl.dropout  # noqa: E402
from pt_impl import text_ops  # noqa: E402

SIZES = [(1, 4), (7, 13), (128, 128), (96, 768)]  # tokens, features
compiles = pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler: PyTorch cannot compile for the CPU")


def random_keys(count: int, places: int = 1) -> np.ndarray:
    """Any 64 bits, the second number odd."""
    keys = np.random.default_rng(0).integers(0, 2**32, (count, places, 2), np.uint32).view(np.int32)
    keys[..., 1] |= 1
    return keys


@pytest.mark.parametrize(("tokens", "features"), SIZES)
def test_bytes_are_the_same_in_all_three(tokens: int, features: int) -> None:
    """The last sizes are more than a million draws."""
    keys = random_keys(64)[:, 0]
    expected = noise(keys, tokens, features)
    assert np.array_equal(pt_impl.dropout.noise(torch.from_numpy(keys), tokens, features).numpy(), expected)
    assert np.array_equal(tf_impl.dropout.noise(tf.constant(keys), tokens, features).numpy(), expected)


@compiles
def test_bytes_are_the_same_under_inductor() -> None:
    keys = random_keys(16)[:, 0]
    for tokens, features in ((128, 128), (7, 13), (96, 768)):
        compiled = torch.compile(partial(pt_impl.dropout.noise, num_tokens=tokens, num_features=features))
        expected = noise(keys, tokens, features)
        assert np.array_equal(compiled(torch.from_numpy(keys)).numpy(), expected)


@compiles
def test_inductor_makes_one_kernel_of_a_drop() -> None:
    from torch._inductor.utils import run_and_get_code

    keys, x = torch.from_numpy(random_keys(4)), torch.ones(4, 32, 64)
    _, codes = run_and_get_code(torch.compile(lambda x: pt_impl.dropout.Dropout(keys).drop(x, 0, 0.1)), x)
    assert "".join(codes).count("async_compile.cpp_pybinding(") == 1


def test_bytes_are_the_same_under_xla_and_in_a_graph() -> None:
    keys = random_keys(16)[:, 0]
    for tokens, features in ((128, 128), (7, 13), (96, 768)):
        expected = noise(keys, tokens, features)
        for compiled in (True, False):
            function = tf.function(
                partial(tf_impl.dropout.noise, num_tokens=tokens, num_features=features), jit_compile=compiled
            )
            assert np.array_equal(function(tf.constant(keys)).numpy(), expected)


def test_the_plain_operations_of_a_gpu_make_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    from tf_impl import kernels

    monkeypatch.setattr(kernels, "on_gpu", lambda: True)
    keys = random_keys(16)[:, 0]
    assert np.array_equal(tf_impl.dropout.noise(tf.constant(keys), 7, 13).numpy(), noise(keys, 7, 13))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_both_wings_drop_the_same_of_values_and_gradients(rate: float) -> None:
    keys = random_keys(3, places=4)
    values, upstream = np.random.default_rng(1).standard_normal((2, 3, 5, 12))
    expected = reference_kept(keys[:, 2], 5, 12, rate) * scale(rate)

    x = torch.tensor(values, requires_grad=True)
    ours = pt_impl.dropout.Dropout(torch.from_numpy(keys)).drop(x, 2, rate)
    (of_x,) = torch.autograd.grad(ours, x, torch.from_numpy(upstream))
    np.testing.assert_allclose(ours.detach().numpy(), values * expected, rtol=1e-15)
    np.testing.assert_allclose(of_x.numpy(), upstream * expected, rtol=1e-15)

    theirs_x = tf.constant(values)
    with tf.GradientTape() as tape:
        tape.watch(theirs_x)
        theirs = tf_impl.dropout.Dropout(tf.constant(keys)).drop(theirs_x, 2, rate)
    np.testing.assert_allclose(theirs.numpy(), values * expected, rtol=1e-15)
    np.testing.assert_allclose(tape.gradient(theirs, theirs_x, upstream).numpy(), upstream * expected, rtol=1e-15)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_sum_drops_of_the_change_alone(rate: float) -> None:
    keys = random_keys(3, places=2)
    start, values, upstream = (
        torch.from_numpy(each) for each in np.random.default_rng(1).standard_normal((3, 3, 5, 8))
    )
    x, change, ones, zeros = start.requires_grad_(), values.requires_grad_(), torch.ones(8), torch.zeros(8)
    factor = torch.from_numpy(reference_kept(keys[:, 1], 5, 8, rate) * scale(rate))
    drops = pt_impl.dropout.Dropout(torch.from_numpy(keys))
    ours = text_ops.sum_norm(x, change, drops, 1, rate, ones, zeros, 1e-12)
    plain = text_ops.layer_norm(x + change * factor, ones, zeros, 1e-12)
    torch.testing.assert_close(ours, plain, rtol=1e-13, atol=1e-13)
    found, expected = (torch.autograd.grad(each, (x, change), upstream) for each in (ours, plain))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_what_is_kept_is_what_the_reference_keeps() -> None:
    keys = drop_keys(1, 2, np.arange(5), 3)
    expected = reference_kept(keys[:, 1], 6, 16, 0.2)
    assert np.array_equal(pt_impl.dropout.Dropout(torch.from_numpy(keys)).kept(1, 0.2, 6, 16).numpy(), expected)
    assert np.array_equal(tf_impl.dropout.Dropout(tf.constant(keys)).kept(1, 0.2, 6, 16).numpy(), expected)
