"""From a batch of texts to what BERT reads. Mirror: `pt_impl/families/bert/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.bert.batch import TextBatch
from shared.families.bert.settings import BertWorkload


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `bias`."""

    tokens: tf.Tensor  # N x T
    bias: tf.Tensor  # N x 1 x 1 x T, of the attention: 0 for a token, -inf for padding


class Drops(NamedTuple):
    """What dropout needs; None: nothing is dropped."""

    noise: tf.Tensor | None  # uint8, N x S x T x H
    noise_last: tf.Tensor | None  # uint8, N x 2 x H
    keep_unit: tf.Tensor | None  # N x H, factors of the classifier's inputs


def network_inputs(batch: TextBatch, dtype: tf.DType) -> Inputs:
    """The texts and where their padding begins."""
    tokens = batch.tokens
    padding = tf.range(tokens.shape[1]) >= batch.lengths[:, None]
    bias = tf.where(padding, tf.constant(float("-inf"), dtype), tf.constant(0.0, dtype))
    return Inputs(tokens, bias[:, None, None, :])


def network_drops(batch: TextBatch, workload: BertWorkload) -> Drops:
    """The noise that a training batch brings."""
    model = workload.model
    hidden = model.hidden_dropout > 0
    return Drops(
        batch.noise if hidden else None,
        batch.noise_last if hidden else None,
        batch.keep_unit if model.classifier_dropout else None,
    )
