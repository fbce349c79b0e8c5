"""From a batch of texts to what hierarchical attention reads. Mirror: `pt_impl/families/han/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.han.batch import SentenceBatch
from tf_impl.words import word_mask


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of the masks. Legend: N texts, S sentences, T words."""

    tokens: tf.Tensor  # N x S x T
    lengths: tf.Tensor  # N: sentences before the padding
    word_lengths: tf.Tensor  # N x S: words before the padding
    mask: tf.Tensor  # N x S: 1 for a sentence, 0 for padding
    word_mask: tf.Tensor  # N x S x T: 1 for a word, 0 for padding


def network_inputs(batch: SentenceBatch, dtype: tf.DType) -> Inputs:
    """The texts and where their padding begins; of a part of a batch (`Family.smallest`) at its widths at most."""
    _, sentences, words = batch.tokens.shape
    lengths, word_lengths = tf.minimum(batch.lengths, sentences), tf.minimum(batch.word_lengths, words)
    of_words = tf.reshape(word_mask(tf.reshape(word_lengths, [-1]), words, dtype), batch.tokens.shape)
    return Inputs(batch.tokens, lengths, word_lengths, word_mask(lengths, sentences, dtype), of_words)
