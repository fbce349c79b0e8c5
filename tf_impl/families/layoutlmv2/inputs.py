"""From a batch of pages to what LayoutLMv2 reads. Mirror: `pt_impl/families/layoutlmv2/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from tf_impl.augment import network_input

BRIGHTEST = 255.0  # of a pixel, which `network_input` takes for 1


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `bias`."""

    tokens: tf.Tensor  # N x T
    segments: tf.Tensor | None  # N x T: 0 for a question, 1 for the page; None: there is one segment alone
    boxes: tf.Tensor  # N x T x 4
    positions: tf.Tensor  # N x P: of the tokens that were masked; N x 0 where none were
    images: tf.Tensor | None  # N x S x S x 3: blue, green, red; None: none is read
    bias: tf.Tensor  # N x 1 x 1 x (T + V), of the attention: 0 for a token, -inf for padding


def network_inputs(batch: LayoutBatch, workload: LayoutWorkload, dtype: tf.DType) -> Inputs:
    """The words, where their padding begins, and the page as an image."""
    model, settings, tokens = workload.model, workload.input, batch.tokens
    num_visual = model.pool**2 if model.visual else 0
    padding = tf.range(tokens.shape[1]) >= batch.lengths[:, None]
    bias = tf.where(padding, tf.constant(float("-inf"), dtype), tf.constant(0.0, dtype))
    bias = tf.pad(bias, [[0, 0], [0, num_visual]])
    images = None
    if model.visual:
        mean, std = ([value / BRIGHTEST for value in each] for each in (settings.mean, settings.std))
        images = network_input(batch.pixels, None, mean, std, dtype)
    segments = None
    if batch.question_lengths.shape[1]:
        segments = tf.cast(tf.range(tokens.shape[1]) >= batch.question_lengths, tf.int32)
    return Inputs(tokens, segments, batch.boxes, batch.positions, images, bias[:, None, None, :])
