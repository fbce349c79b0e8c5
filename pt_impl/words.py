"""What networks have in common that read whole words: their input and the word vectors. Mirror: `tf_impl/words.py`.

Legend: N texts, T words, D features of a word.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.layers import Weights
from shared.word_batch import Texts
from shared.word_weights import STATIC, TRAINED


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `mask`."""

    tokens: Tensor  # N x T
    lengths: Tensor  # N: words before the padding
    mask: Tensor  # N x T: 1 for a word, 0 for padding


def network_inputs(batch: Texts, dtype: torch.dtype) -> Inputs:
    """The texts and where their padding begins; of a part of a batch (`Family.smallest`) at its width at most."""
    width = batch.tokens.shape[1]
    return Inputs(batch.tokens, torch.clamp(batch.lengths, max=width), word_mask(batch.lengths, width, dtype))


def word_mask(lengths: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """1 at the first `lengths` (N) of `width` places, 0 behind them (N x T)."""
    return (torch.arange(width, device=lengths.device) < lengths[:, None]).to(dtype)


class WordVectors(nn.Module):
    """The vector of every word: trained (`embedding.weight`), or as it is (`embedding.vectors`)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        if STATIC in weights:
            self.register_buffer("vectors", torch.tensor(weights[STATIC]))
        else:
            self.weight = nn.Parameter(torch.tensor(weights[TRAINED]))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Ids (N, T) to vectors (N, T, D) in the mask's precision, zeros where the mask (N, T) is 0.

        The gradient of trained vectors is dense, as the optimizer wants it: its moments move rows without one too.
        """
        table = self.vectors if hasattr(self, "vectors") else self.weight
        return F.embedding(tokens, table).to(mask.dtype) * mask[..., None]
