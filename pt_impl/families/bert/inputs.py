"""From a batch of texts to what BERT reads. Mirror: `tf_impl/families/bert/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from shared.families.bert.batch import TextBatch


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `bias`."""

    tokens: Tensor  # N x T
    bias: Tensor  # N x 1 x 1 x T, of the attention: 0 for a token, -inf for padding


def network_inputs(batch: TextBatch, dtype: torch.dtype) -> Inputs:
    """The texts and where their padding begins."""
    tokens = batch.tokens
    padding = torch.arange(tokens.shape[1], device=tokens.device) >= batch.lengths[:, None]
    bias = torch.zeros(padding.shape, dtype=dtype, device=tokens.device).masked_fill_(padding, float("-inf"))
    return Inputs(tokens, bias[:, None, None, :])
