"""Dropout from counters (`shared.dropout`). Mirror: `tf_impl/dropout.py`.

Legend: N texts, R tokens, H features, W words a token.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shared.dropout import FEATURES_A_WORD, LAST_SHIFT, position_hashes, scale, threshold

assert sys.byteorder == "little", "bytes are taken from words as they lie in memory"


def noise(keys: Tensor, num_tokens: int, num_features: int) -> Tensor:
    """`shared.dropout.noise`: keys (int32, N x 2) to bytes (uint8, N x R x H)."""
    hashes = _position_hashes(num_tokens, num_features, keys.device)
    words = torch.bitwise_xor(hashes, keys[:, :1, None])
    words = words.mul_(keys[:, 1:, None])
    words = words.bitwise_xor_(_shifted(words, LAST_SHIFT))
    if torch.compiler.is_compiling():  # inductor makes one kernel of shifts, and a copy of a view as other type
        features = torch.arange(num_features, device=keys.device)
        of_feature = words[..., features // FEATURES_A_WORD]
        return (of_feature >> (features % FEATURES_A_WORD * 8).int()).to(torch.uint8)
    return words.view(torch.uint8)[..., :num_features]


# Inductor takes a constant: of an arange it makes an index, whose products overflow otherwise than a tensor's.
@torch.compiler.assume_constant_result
@lru_cache(maxsize=64)  # of a few widths and devices; 0.4 MB each for 512 tokens of 768 features
def _position_hashes(num_tokens: int, num_features: int, device: torch.device) -> Tensor:
    """`shared.dropout.position_hashes`: int32, R x W."""
    return torch.from_numpy(position_hashes(num_tokens, num_features).view(np.int32)).to(device)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """x (int32) shifted right without its sign."""
    return (x >> bits).bitwise_and_((1 << (32 - bits)) - 1)


class Dropout:
    """What is dropped of a batch.

    The bytes of kept features stay in memory for the backward pass, one a feature: to make them again takes PyTorch
    five more passes over words, and they are little beside the activations that a layer keeps.
    """

    def __init__(self, keys: Tensor) -> None:
        """
        Args:
            keys: `shared.dropout.drop_keys`, int32, N x places x 2.
        """
        self._keys = keys

    def kept(self, place: int, rate: float, num_tokens: int, num_features: int) -> Tensor:
        """1 for each feature that stays at a place, else 0: uint8, N x R x H."""
        # in place, and to a byte: kernels that make or read booleans are many times slower on CPU
        return noise(self._keys[:, place], num_tokens, num_features).ge_(threshold(rate))

    def drop(self, x: Tensor, place: int, rate: float) -> Tensor:
        """x (N x R x H), some features dropped."""
        if not threshold(rate):
            return x
        return _Drop.apply(x, self.kept(place, rate, *x.shape[1:]), scale(rate))


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kept: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.factor = factor
        return _times(x, kept, factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return _times(gradient, kept, ctx.factor), None, None


def _times(x: Tensor, kept: Tensor, factor: float) -> Tensor:
    """x where it is kept, times a factor, else 0."""
    return kept.to(x.dtype).mul_(factor).mul_(x)
