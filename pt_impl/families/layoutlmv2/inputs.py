"""From a batch of pages to what LayoutLMv2 reads. Mirror: `tf_impl/families/layoutlmv2/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pt_impl.augment import network_input
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload

BRIGHTEST = 255.0  # of a pixel, which `network_input` takes for 1


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `bias`."""

    tokens: Tensor  # N x T
    segments: Tensor | None  # N x T: 0 for a question, 1 for the page; None: there is one segment alone
    boxes: Tensor  # N x T x 4
    positions: Tensor  # N x P: of the tokens that were masked; N x 0 where none were
    images: Tensor | None  # N x 3 x S x S: blue, green, red; None: none is read
    bias: Tensor  # N x 1 x 1 x (T + V), of the attention: 0 for a token, -inf for padding


def network_inputs(batch: LayoutBatch, workload: LayoutWorkload, dtype: torch.dtype) -> Inputs:
    """The words, where their padding begins, and the page as an image."""
    model, settings, tokens = workload.model, workload.input, batch.tokens
    num_visual = model.pool**2 if model.visual else 0
    padding = torch.arange(tokens.shape[1], device=tokens.device) >= batch.lengths[:, None]
    shape = (tokens.shape[0], tokens.shape[1] + num_visual)
    bias = torch.zeros(shape, dtype=dtype, device=tokens.device)
    bias[:, : tokens.shape[1]].masked_fill_(padding, float("-inf"))
    images = None
    if model.visual:
        mean, std = ([value / BRIGHTEST for value in each] for each in (settings.mean, settings.std))
        images = network_input(batch.pixels, None, mean, std, dtype)
    segments = None
    if batch.question_lengths.shape[1]:
        segments = (torch.arange(tokens.shape[1], device=tokens.device) >= batch.question_lengths).int()
    return Inputs(tokens, segments, batch.boxes, batch.positions, images, bias[:, None, None, :])
