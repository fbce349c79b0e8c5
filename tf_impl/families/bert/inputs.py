"""From a batch of texts to what BERT reads. Mirror: `pt_impl/families/bert/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.bert.batch import TextBatch


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `bias`."""

    tokens: tf.Tensor  # N x T
    bias: tf.Tensor  # N x 1 x 1 x T, of the attention: 0 for a token, -inf for padding


def network_inputs(batch: TextBatch, dtype: tf.DType) -> Inputs:
    """The texts and where their padding begins."""
    tokens = batch.tokens
    padding = tf.range(tokens.shape[1]) >= batch.lengths[:, None]
    bias = tf.where(padding, tf.constant(float("-inf"), dtype), tf.constant(0.0, dtype))
    return Inputs(tokens, bias[:, None, None, :])
