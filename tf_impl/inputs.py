"""From a batch to what a network reads. Mirror: `pt_impl/inputs.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.pages import PageBatch
from shared.spec import ImageWorkload, TextWorkload, Workload
from shared.texts import TextBatch
from tf_impl.augment import network_input

Batch = PageBatch | TextBatch  # of tensors, one value a replica


def page_inputs(
    batch: PageBatch, workload: ImageWorkload, dtype: tf.DType, training: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Images (N, H, W, 3), sheared in training, and the factors of the blocks' branches (N, B), if any is dropped."""
    settings = workload.input
    shear = batch.shear if training and settings.shear_degrees else None
    images = network_input(batch.pages, shear, settings.mean, settings.std, dtype)
    return images, batch.keep_block if training and workload.model.drop_connect else None


def text_inputs(
    batch: TextBatch, workload: TextWorkload, dtype: tf.DType, training: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None, tf.Tensor | None]:
    """Token ids (N, T), the attention's bias (N, 1, 1, T): 0 for a token, -inf for padding; the noise of dropout."""
    tokens = batch.tokens
    padding = tf.range(tokens.shape[1]) >= batch.lengths[:, None]
    bias = tf.where(padding, tf.constant(float("-inf"), dtype), tf.constant(0.0, dtype))
    drops = training and workload.model.hidden_dropout > 0
    return tokens, bias[:, None, None, :], batch.noise if drops else None, batch.noise_last if drops else None


def network_inputs(batch: Batch, workload: Workload, dtype: tf.DType, training: bool) -> tuple[tf.Tensor | None, ...]:
    """What the workload's network reads of a batch, before `keep_unit`."""
    if isinstance(workload, TextWorkload):
        return text_inputs(batch, workload, dtype, training)
    return page_inputs(batch, workload, dtype, training)


def unit_factors(batch: Batch, workload: Workload) -> tf.Tensor | None:
    """The factors of the classifier's inputs (N, F) in training; None where none is dropped."""
    model = workload.model
    rate = model.classifier_dropout if isinstance(workload, TextWorkload) else model.dropout
    return batch.keep_unit if rate else None
