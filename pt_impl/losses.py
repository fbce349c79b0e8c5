"""The tasks' losses by name (`shared.task.Task.loss`). Mirror: `tf_impl/losses.py`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples. Logits (N, K), labels (N)."""
    return F.cross_entropy(logits, labels.long())


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples and labels. Logits (N, K), labels (N, K): 1 where a sample has a label."""
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
