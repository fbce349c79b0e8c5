"""The tasks' losses by name (`shared.task.Task.loss`). Mirror: `tf_impl/losses.py`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.store import NO_LABEL


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples. Logits (N, K), labels (N)."""
    return F.cross_entropy(logits, labels.long())


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples and labels. Logits (N, K), labels (N, K): 1 where a sample has a label."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


def token_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean over samples of the sum over labelled tokens, times the sample's factor. Logits (N, T, K), labels (N, T;
    NO_LABEL: none), weights (N, 1)."""
    return (_by_token(logits, labels).sum(1, keepdim=True) * weights.to(logits.dtype)).mean()


def span_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean over samples and over both ends of the answer, times the sample's factor. Logits (N, T, 2), labels (N, 2;
    NO_LABEL: none), weights (N, 1)."""
    return (_by_token(logits.transpose(1, 2), labels).mean(1, keepdim=True) * weights.to(logits.dtype)).mean()


def pretraining(tokens: Tensor, alignment: Tensor, matching: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The sum of three means over samples: of masked tokens, of covered ones, of the page's own image.

    Logits (N, P, V), (N, T, 2), (N, 1, 2), labels (N, P + T + 1; NO_LABEL: none), weights (N, 3).
    """
    most = tokens.shape[1]
    parts = ((tokens, labels[:, :most]), (alignment, labels[:, most:-1]), (matching, labels[:, -1:]))
    sums = torch.stack([_by_token(logits, of_part).sum(1) for logits, of_part in parts], 1)
    return (sums * weights.to(sums.dtype)).sum(1).mean()


def _by_token(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (N, T, K), labels (N, T) to (N, T), 0 where nothing is labelled."""
    return F.cross_entropy(
        logits.flatten(0, 1), labels.long().flatten(), ignore_index=NO_LABEL, reduction="none"
    ).view_as(labels)
