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


def distilled_cross_entropy(
    logits: Tensor, labels: Tensor, *, weight: float, direction: str, temperature: float, form: str
) -> Tensor:
    """`cross_entropy` plus the weighted divergence from a teacher (`shared.distillation`). Logits (N, K), labels (N,
    1 + K): the class, the teacher's logits."""
    apart = _divergence(logits, labels[:, 1:], direction, temperature, form)
    return cross_entropy(logits, labels[:, 0]) + weight * apart


def distilled_binary_cross_entropy(
    logits: Tensor, labels: Tensor, *, weight: float, direction: str, temperature: float, form: str
) -> Tensor:
    """`binary_cross_entropy` plus the weighted divergence from a teacher (`shared.distillation`). Logits (N, K), labels
    (N, 2 K): 1 where a sample has a label, the teacher's logits."""
    own, teacher = labels.chunk(2, 1)
    return binary_cross_entropy(logits, own) + weight * _divergence(logits, teacher, direction, temperature, form)


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


def _divergence(student: Tensor, teacher: Tensor, direction: str, temperature: float, form: str) -> Tensor:
    """Mean over samples of `shared.distillation.divergence`. Logits (N, K) of both."""
    teacher = teacher.to(student.dtype)
    if form == "mse":
        return torch.square(student - teacher).mean()
    student, teacher = student / temperature, teacher / temperature
    if form == "softmax":
        parts = [(F.log_softmax(student, 1), F.log_softmax(teacher, 1))]
    else:  # both outcomes of each label, so that no two large numbers are taken from each other
        parts = [(F.logsigmoid(sign * student), F.logsigmoid(sign * teacher)) for sign in (1.0, -1.0)]
    terms = [p.exp() * (p - q) if direction == "student" else q.exp() * (q - p) for p, q in parts]
    of_sample = terms[0].sum(1) if form == "softmax" else (terms[0] + terms[1]).mean(1)
    return temperature**2 * of_sample.mean()


def _by_token(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (N, T, K), labels (N, T) to (N, T), 0 where nothing is labelled."""
    return F.cross_entropy(
        logits.flatten(0, 1), labels.long().flatten(), ignore_index=NO_LABEL, reduction="none"
    ).view_as(labels)
