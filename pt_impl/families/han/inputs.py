"""From a batch of texts to what hierarchical attention reads. Mirror: `tf_impl/families/han/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pt_impl.words import word_mask
from shared.families.han.batch import SentenceBatch


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of the masks. Legend: N texts, S sentences, T words."""

    tokens: Tensor  # N x S x T
    lengths: Tensor  # N: sentences before the padding
    word_lengths: Tensor  # N x S: words before the padding
    mask: Tensor  # N x S: 1 for a sentence, 0 for padding
    word_mask: Tensor  # N x S x T: 1 for a word, 0 for padding


def network_inputs(batch: SentenceBatch, dtype: torch.dtype) -> Inputs:
    """The texts and where their padding begins; of a part of a batch (`Family.smallest`) at its widths at most."""
    _, sentences, words = batch.tokens.shape
    lengths, word_lengths = torch.clamp(batch.lengths, max=sentences), torch.clamp(batch.word_lengths, max=words)
    of_words = word_mask(word_lengths.flatten(), words, dtype).view(batch.tokens.shape)
    return Inputs(batch.tokens, lengths, word_lengths, word_mask(lengths, sentences, dtype), of_words)
