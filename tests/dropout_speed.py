"""Seconds of dropout's parts in both wings: `python -m tests.dropout_speed [results/reference/dropout-kernels.md]`.

The noise of one place, from our counters and from Philox; then x + change, some features of the change dropped, and
normed, forward and backward: with nothing dropped, with noise read from memory (as batches brought it before), and as
the wings do it. The ways take turns, so that a slow moment of the machine hits all of them; medians.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import torch
import torch.nn.functional as F

from bench.host import machine
from bench.host.files import write_for_user
from pt_impl import dropout as pt_dropout
from pt_impl import text_ops as pt_text_ops
from shared.dropout import drop_keys, position_hashes, scale, threshold
from tests.speed import TURNS, Ways, milliseconds, table
from tf_impl import dropout as tf_dropout
from tf_impl import text_ops as tf_text_ops
from tf_impl.kernels import one_kernel

RATE, EPSILON = 0.1, 1e-12
# of bert-6l: texts, tokens, features of quick and of full, and of a last layer, which reads one token
SIZES = ((16, 128, 128), (6, 512, 768), (16, 1, 128))
PHILOX_ROUNDS, PHILOX_MULTIPLIERS, PHILOX_STEPS = 10, (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
HALF = 0xFFFFFFFF


def philox(keys: torch.Tensor, words: int) -> torch.Tensor:
    """Philox4x32-10 in PyTorch's integers of 64 bits, whose products have no upper half of 32 by themselves."""
    counter = torch.arange(words // 4, dtype=torch.int64).expand(len(keys), -1)
    a, b, c, d = counter, torch.zeros_like(counter), torch.zeros_like(counter), torch.zeros_like(counter)
    first, second = keys[:, :1].long() & HALF, keys[:, 1:].long() & HALF
    for _ in range(PHILOX_ROUNDS):
        left, right = a * PHILOX_MULTIPLIERS[0], c * PHILOX_MULTIPLIERS[1]
        a, b, c, d = (right >> 32 & HALF) ^ b ^ first, right & HALF, (left >> 32 & HALF) ^ d ^ second, left & HALF
        first, second = first + PHILOX_STEPS[0] & HALF, second + PHILOX_STEPS[1] & HALF
    return torch.stack([a, b, c, d], -1).int()


def noise_ways(keys: np.ndarray, tokens: int, features: int) -> dict[str, Ways]:
    """The noise of one place in both wings."""
    torch_keys, tensor = torch.from_numpy(keys), tf.constant(keys)
    words = tokens * features // 4
    hashes = tf.constant(position_hashes(tokens, features))
    library = tf.function(
        lambda seed: tf.random.stateless_uniform([len(keys), words], seed, None, None, tf.int32, alg="philox"),
        jit_compile=True,
    )
    return {
        "PyTorch": {
            "noise": lambda: pt_dropout.noise(torch_keys, tokens, features),
            "noise from Philox4x32-10": lambda: philox(torch_keys, words),
        },
        "TensorFlow": {
            "noise": lambda: tf_dropout._noise(tensor, hashes, features).cpu(),
            "noise from Philox4x32-10": lambda: library(tensor[0]).cpu(),
        },
    }


class _Remade(torch.autograd.Function):
    """x + what is kept of a change; only the keys stay for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, change: torch.Tensor, drops: pt_dropout.Dropout) -> torch.Tensor:
        ctx.drops = drops
        return torch.addcmul(x, change, pt_dropout.factors(*drops.source(0, change.shape), change, RATE))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        made = pt_dropout.factors(*ctx.drops.source(0, gradient.shape), gradient, RATE)
        return gradient, made.mul_(gradient), None


class _Bytes(torch.autograd.Function):
    """x + what is kept of a change; a byte a feature stays for the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, change: torch.Tensor, drops: pt_dropout.Dropout) -> torch.Tensor:
        kept = drops.kept(0, RATE, *change.shape[1:])
        ctx.save_for_backward(kept)
        return torch.addcmul(x, change, kept.to(x.dtype), value=scale(RATE))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return gradient, kept.to(gradient.dtype).mul_(scale(RATE)).mul_(gradient), None


def torch_ways(keys: np.ndarray, size: tuple[int, int, int]) -> Ways:
    """x + change and norm, both passes."""
    x, change, upstream = (torch.randn(size, requires_grad=grad) for grad in (True, True, False))
    weight, bias = torch.ones(size[-1], requires_grad=True), torch.zeros(size[-1], requires_grad=True)
    drops = pt_dropout.Dropout(torch.from_numpy(keys[:, None]))
    stored = torch.from_numpy(np.random.default_rng(0).integers(0, 256, size, np.uint8))

    def both_passes(forward: Callable[[], torch.Tensor]) -> Callable[[], object]:
        return lambda: torch.autograd.grad(forward(), (x, change, weight, bias), upstream)

    def from_memory() -> torch.Tensor:
        kept = (stored >= threshold(RATE)).to(x.dtype).mul_(scale(RATE))
        return F.layer_norm(torch.addcmul(x, change, kept), size[-1:], weight, bias, EPSILON)

    return {
        "sum and norm, nothing dropped": both_passes(lambda: pt_text_ops.layer_norm(x + change, weight, bias, EPSILON)),
        "sum and norm, noise from memory": both_passes(from_memory),
        "sum and norm, as the wing drops": both_passes(
            lambda: pt_text_ops.sum_norm(x, change, drops, 0, RATE, weight, bias, EPSILON)
        ),
        "sum and norm, factors made again in the backward pass": both_passes(
            lambda: pt_text_ops.layer_norm(_Remade.apply(x, change, drops), weight, bias, EPSILON)
        ),
        "sum and norm, bytes kept for the backward pass": both_passes(
            lambda: pt_text_ops.layer_norm(_Bytes.apply(x, change, drops), weight, bias, EPSILON)
        ),
    }


@one_kernel
def _stored_forward(
    x: tf.Tensor, change: tf.Tensor, stored: tf.Tensor, scale_: tf.Tensor, offset: tf.Tensor, epsilon: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    kept = tf.cast(stored >= threshold(RATE), x.dtype) * scale(RATE)
    return tf_text_ops._norm.__wrapped__(x + change * kept, scale_, offset, epsilon)  # type: ignore[attr-defined]


@one_kernel
def _stored_backward(
    upstream: tf.Tensor, normed: tf.Tensor, inverse: tf.Tensor, stored: tf.Tensor, scale_: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    norm_gradient = tf_text_ops._norm_gradient.__wrapped__  # type: ignore[attr-defined]
    gradient, terms = norm_gradient(upstream, normed, inverse, scale_)
    return gradient, gradient * tf.cast(stored >= threshold(RATE), gradient.dtype) * scale(RATE), terms


def tensorflow_ways(keys: np.ndarray, size: tuple[int, int, int]) -> Ways:
    """x + change and norm, both passes."""
    x, change, upstream = (tf.random.normal(size) for _ in range(3))
    weight, bias, small = tf.ones(size[-1]), tf.zeros(size[-1]), tf.constant(EPSILON)
    stored = tf.constant(np.random.default_rng(0).integers(0, 256, size, np.uint8))
    all_keys = tf.constant(keys[:, None])

    def both_passes(forward: Callable[..., tf.Tensor]) -> Callable[[], object]:
        @tf.function(autograph=False)
        def gradients(x: tf.Tensor, change: tf.Tensor) -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch([x, change, weight, bias])
                value = forward(x, change)
            return [tf.reduce_max(each[..., :1]) for each in tape.gradient(value, [x, change], upstream)]

        return lambda: [each.numpy() for each in gradients(x, change)]

    @tf.custom_gradient
    def from_memory(x: tf.Tensor, change: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        value, normed, inverse = _stored_forward(x, change, stored, weight, bias, small)
        return value, lambda upstream: _stored_backward(upstream, normed, inverse, stored, weight)[:2]

    def drawn(x: tf.Tensor, change: tf.Tensor) -> tf.Tensor:
        drops = tf_dropout.Dropout(all_keys)
        return tf_text_ops.sum_norm(x, change, drops, 0, RATE, weight, bias, EPSILON)

    return {
        "sum and norm, nothing dropped": both_passes(
            lambda x, change: tf_text_ops.layer_norm(x + change, weight, bias, EPSILON)
        ),
        "sum and norm, noise from memory": both_passes(from_memory),
        "sum and norm, as the wing drops": both_passes(drawn),
    }


def report() -> str:
    """The table."""
    columns = {}
    for size in SIZES:
        name = "{} x {} x {}".format(*size)
        keys = drop_keys(0, 0, np.arange(size[0]), 1)[:, 0]
        drawn = noise_ways(keys, *size[1:])
        for wing, sums in (("PyTorch", torch_ways), ("TensorFlow", tensorflow_ways)):
            found = milliseconds({**drawn[wing], **sums(keys, size)})
            columns[f"{wing}, {name}"] = found
            print(name, wing, {what: round(value, 3) for what, value in found.items()}, flush=True)
    lines = [
        "# Dropout's parts",
        "",
        f"Milliseconds for texts x tokens x features, rate {RATE}, float32, {torch.get_num_threads()} threads: medians "
        f"of {TURNS} turns. `python -m tests.dropout_speed results/reference/dropout-kernels.md`",
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
