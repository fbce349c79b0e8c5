"""From a batch to what a network reads. Mirror: `tf_impl/inputs.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from pt_impl.augment import network_input
from shared.pages import PageBatch
from shared.spec import ImageWorkload, TextWorkload, Workload
from shared.texts import TextBatch

Batch = PageBatch | TextBatch  # of tensors, on the device


def page_inputs(
    batch: PageBatch, workload: ImageWorkload, dtype: torch.dtype, training: bool
) -> tuple[Tensor, Tensor | None]:
    """Images (N, 3, H, W), sheared in training, and the factors of the blocks' branches (N, B), if any is dropped."""
    settings = workload.input
    shear = batch.shear if training and settings.shear_degrees else None
    images = network_input(batch.pages, shear, settings.mean, settings.std, dtype)
    return images, batch.keep_block if training and workload.model.drop_connect else None


def text_inputs(
    batch: TextBatch, workload: TextWorkload, dtype: torch.dtype, training: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Token ids (N, T), the attention's bias (N, 1, 1, T): 0 for a token, -inf for padding; the noise of dropout."""
    tokens = batch.tokens
    padding = torch.arange(tokens.shape[1], device=tokens.device) >= batch.lengths[:, None]
    bias = torch.zeros(padding.shape, dtype=dtype, device=tokens.device).masked_fill_(padding, float("-inf"))
    drops = training and workload.model.hidden_dropout > 0
    return tokens, bias[:, None, None, :], batch.noise if drops else None, batch.noise_last if drops else None


def network_inputs(batch: Batch, workload: Workload, dtype: torch.dtype, training: bool) -> tuple[Tensor | None, ...]:
    """What the workload's network reads of a batch, before `keep_unit`."""
    if isinstance(workload, TextWorkload):
        return text_inputs(batch, workload, dtype, training)
    return page_inputs(batch, workload, dtype, training)


def unit_factors(batch: Batch, workload: Workload) -> Tensor | None:
    """The factors of the classifier's inputs (N, F) in training; None where none is dropped."""
    model = workload.model
    rate = model.classifier_dropout if isinstance(workload, TextWorkload) else model.dropout
    return batch.keep_unit if rate else None
