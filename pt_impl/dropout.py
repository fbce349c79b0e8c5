"""Dropout from counters (`shared.dropout`). Mirror: `tf_impl/dropout.py`.

Legend: N texts, R tokens, H features, W words a token.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from shared.dropout import FEATURES_A_WORD, LAST_SHIFT, MULTIPLIERS, SHIFTS, scale, threshold, words_a_token

assert sys.byteorder == "little", "bytes are taken from words as they lie in memory"


def noise(keys: Tensor, num_tokens: int, num_features: int) -> Tensor:
    """`shared.dropout.noise`: keys (int32, N x 2) to bytes (uint8, N x R x H)."""
    if torch.compiler.is_compiling():
        hashes = position_hashes(num_tokens, words_a_token(num_features), keys.device)
    else:
        hashes = _kept_hashes(num_tokens, words_a_token(num_features), keys.device)
    words = torch.bitwise_xor(hashes, keys[:, :1, None])
    words = words.mul_(keys[:, 1:, None])
    words = words.bitwise_xor_(shifted(words, LAST_SHIFT))
    if torch.compiler.is_compiling():  # inductor makes one kernel of shifts, and a copy of a view as other type
        features = torch.arange(num_features, device=keys.device)
        of_feature = words[..., features // FEATURES_A_WORD]
        return (of_feature >> (features % FEATURES_A_WORD * 8).int()).to(torch.uint8)
    return words.view(torch.uint8)[..., :num_features]


def position_hashes(num_tokens: int, width: int, device: torch.device) -> Tensor:
    """`shared.dropout.position_hashes`: int32, R x W."""
    x = torch.arange(num_tokens * width, dtype=torch.int32, device=device)
    for shift, multiplier in zip(SHIFTS, MULTIPLIERS, strict=False):
        x = (x ^ shifted(x, shift)) * signed(multiplier)
    return (x ^ shifted(x, SHIFTS[-1])).view(num_tokens, width)


# of a few widths, token counts and replicas' devices; 0.4 MB each for 512 tokens of 768 features
_kept_hashes = lru_cache(maxsize=64)(position_hashes)


def shifted(x: Tensor, bits: int) -> Tensor:
    """x (int32) shifted right without its sign."""
    return (x >> bits).bitwise_and_((1 << (32 - bits)) - 1)


def signed(number: int) -> int:
    """The int32 number with the bits of a uint32 one."""
    return number - (1 << 32) if number >> 31 else number


class Dropout:
    """What is dropped of a batch.

    The bytes of kept features are kept for the backward pass as they are, one a feature: to make them again would take
    five more passes over memory, and their place there is a sixteenth of what a layer keeps anyway.
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

    def add(self, x: Tensor, change: Tensor, place: int, rate: float) -> Tensor:
        """x + change (N x R x H each), some features of the change dropped."""
        if not threshold(rate):
            return x + change
        return _Add.apply(x, change, self.kept(place, rate, *change.shape[1:]), scale(rate))

    def drop(self, x: Tensor, place: int, rate: float) -> Tensor:
        """x (N x R x H), some features dropped."""
        if not threshold(rate):
            return x
        return _Drop.apply(x, self.kept(place, rate, *x.shape[1:]), scale(rate))


class _Add(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, change: Tensor, kept: Tensor, factor: float) -> Tensor:
        ctx.save_for_backward(kept)
        ctx.factor = factor
        return torch.addcmul(x, change, kept.to(x.dtype), value=factor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        return gradient, _times(gradient, kept, ctx.factor), None, None


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
