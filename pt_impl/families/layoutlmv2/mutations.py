"""Differences that the ladder plants in PyTorch's LayoutLMv2. Mirror: `tf_impl/families/layoutlmv2/mutations.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from pt_impl import mutations
from pt_impl.families.layoutlmv2 import backbone, network
from shared.families import layoutlmv2
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.words import BOX_SCALE


def top_edge() -> None:
    """Of a box the top edge decides how far apart two tokens are down the page, as the paper's text has it."""
    forward = network.AttentionBias.forward

    def other(self: network.AttentionBias, positions: Tensor, boxes: Tensor, dtype: torch.dtype) -> Tensor:
        return forward(self, positions, boxes[..., [0, 1, 2, 1]], dtype)

    network.AttentionBias.forward = other  # type: ignore[method-assign]


def bin_off_by_one() -> None:
    """The first distance to the right that shares a bin has one of its own."""
    buckets = network.buckets

    def other(bins: int, farthest: int) -> np.ndarray:
        found = buckets(bins, farthest)
        shared = np.flatnonzero((found[1:] == found[:-1]) & (found[1:] > bins // 2))[0] + 1
        found[shared] += 1
        return found

    network.buckets = other


def visual_first() -> None:
    """The visual tokens' distances are counted as if they stood before the text."""
    forward = network.AttentionBias.forward

    def other(self: network.AttentionBias, positions: Tensor, boxes: Tensor, dtype: torch.dtype) -> Tensor:
        again = int((positions[1:] < positions[:-1]).nonzero()[0]) + 1
        moved = torch.cat([positions[:again] + len(positions) - again, positions[again:]])
        return forward(self, moved, boxes, dtype)

    network.AttentionBias.forward = other  # type: ignore[method-assign]


def box_of_sep() -> None:
    """[SEP] lies in the far corner, as `transformers`' tokeniser has it."""
    layout_batch = layoutlmv2.layout_batch

    def other(*arguments: Any) -> LayoutBatch:
        found = layout_batch(*arguments)
        for row, length in enumerate(found.lengths):
            found.boxes[row, length - 1] = BOX_SCALE
        return found

    layoutlmv2.layout_batch = other  # type: ignore[assignment]
    mutations.load_in_this_process()


def coarser_level() -> None:
    """The pyramid's second level is read, each of its pixels as four."""
    forward = backbone.ResNeXtPyramid.forward

    def other(self: backbone.ResNeXtPyramid, images: Tensor) -> Tensor:
        finest = self.laterals[0].forward
        self.laterals[0].forward = lambda x: 0.0 * finest(x)  # type: ignore[method-assign]
        try:
            return forward(self, images)
        finally:
            self.laterals[0].forward = finest  # type: ignore[method-assign]

    backbone.ResNeXtPyramid.forward = other  # type: ignore[method-assign]


def stride_first() -> None:
    """A block halves the map in its first convolution, as the first ResNets did."""
    forward = backbone.Bottleneck.forward

    def other(self: backbone.Bottleneck, x: Tensor) -> Tensor:
        if self.grouped.stride > 1:
            self.reduce.stride, self.grouped.stride = self.grouped.stride, 1
        return forward(self, x)

    backbone.Bottleneck.forward = other  # type: ignore[method-assign]
