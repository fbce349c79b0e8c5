"""Dropout from counters (`shared.dropout`). Mirror: `tf_impl/dropout.py`.

Legend: N texts, R tokens, H features, W words a token.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from shared.dropout import FEATURES_A_WORD, LAST_SHIFT, position_hashes, scale, threshold

assert sys.byteorder == "little", "bytes are taken from words as they lie in memory"


def noise(keys: Tensor, num_tokens: int, num_features: int) -> Tensor:
    """`shared.dropout.noise`: keys (int32, N x 2) to bytes (uint8, N x R x H)."""
    return _bytes(keys, _position_hashes(num_tokens, num_features, keys.device), num_features)


def _bytes(keys: Tensor, hashes: Tensor, num_features: int) -> Tensor:
    """`noise`. 32 bits with a sign: PyTorch multiplies no others."""
    words = torch.bitwise_xor(hashes, keys[:, :1, None]).mul_(keys[:, 1:, None])
    if torch.compiler.is_compiling():  # inductor makes one kernel of shifts, and a copy of a view as other type
        words = words ^ ((words >> LAST_SHIFT) & ((1 << (32 - LAST_SHIFT)) - 1))
        features = torch.arange(num_features, device=keys.device)
        of_feature = words[..., features // FEATURES_A_WORD]
        return (of_feature >> (features % FEATURES_A_WORD * 8).int()).to(torch.uint8)
    halves = words.view(torch.int16)  # low, high: one kernel, where shift, mask and xor of words are three
    halves[..., ::2].bitwise_xor_(halves[..., 1::2])
    return words.view(torch.uint8)[..., :num_features]


# Inductor takes a constant: of an arange it makes an index, whose products overflow otherwise than a tensor's.
@torch.compiler.assume_constant_result
@lru_cache(maxsize=64)  # of a few widths and devices; 0.4 MB each for 512 tokens of 768 features
def _position_hashes(num_tokens: int, num_features: int, device: torch.device) -> Tensor:
    """`shared.dropout.position_hashes`: int32, R x W."""
    return torch.from_numpy(position_hashes(num_tokens, num_features).view(np.int32)).to(device)


def _kept(keys: Tensor, hashes: Tensor, num_features: int, rate: float) -> Tensor:
    # in place, and to a byte: kernels that make or read booleans are many times slower on CPU
    return _bytes(keys, hashes, num_features).ge_(threshold(rate))


def factors(keys: Tensor, hashes: Tensor, like: Tensor, rate: float) -> Tensor:
    """The factor of each feature (N, R, H): 0 where one is dropped, else what keeps the mean.

    Args:
        keys, hashes: of `Dropout.source`. like: (N, R, H), the shape and the precision.
    """
    return _kept(keys, hashes, like.shape[-1], rate).to(like.dtype).mul_(scale(rate))


class Dropout:
    """What is dropped of a batch.

    Factors stay in memory for the backward pass, as wide as the activations beside them. The other ways, factors made
    again and bytes kept (`python -m tests.dropout_speed` times them), need a function of autograd in Python, whose
    calls make a step of bert-6l quick 3 % slower on two cores; at the full width bytes save a tenth of sum and norm,
    which is less than a hundredth of a step. A compiled step chooses for itself.
    """

    def __init__(self, keys: Tensor) -> None:
        """
        Args:
            keys: `shared.dropout.drop_keys`, int32, N x places x 2.
        """
        self._keys = keys

    def source(self, place: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
        """What the noise of a place is made from: the place's keys (N x 2), `shared.dropout.position_hashes` for
        features (N, R, H)."""
        _, num_tokens, num_features = shape
        return self._keys[:, place], _position_hashes(num_tokens, num_features, self._keys.device)

    def kept(self, place: int, rate: float, num_tokens: int, num_features: int) -> Tensor:
        """1 for each feature that stays at a place, else 0: uint8, N x R x H."""
        return _kept(*self.source(place, (0, num_tokens, num_features)), num_features, rate)

    def drop(self, x: Tensor, place: int, rate: float) -> Tensor:
        """x (N x R x H), some features dropped."""
        if not threshold(rate):
            return x
        return x * factors(*self.source(place, x.shape), x, rate)
