"""What networks have in common that read whole words: their input and the word vectors. Mirror: `pt_impl/words.py`.

Legend: N texts, T words, D features of a word.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.word_batch import Texts
from shared.word_weights import STATIC, TRAINED
from tf_impl.layers import Weights, trained


class Inputs(NamedTuple):
    """What the network reads; it computes in the precision of `mask`."""

    tokens: tf.Tensor  # N x T
    lengths: tf.Tensor  # N: words before the padding
    mask: tf.Tensor  # N x T: 1 for a word, 0 for padding


def network_inputs(batch: Texts, dtype: tf.DType) -> Inputs:
    """The texts and where their padding begins; of a part of a batch (`Family.smallest`) at its width at most."""
    width = batch.tokens.shape[1]
    return Inputs(batch.tokens, tf.minimum(batch.lengths, width), word_mask(batch.lengths, width, dtype))


def word_mask(lengths: tf.Tensor, width: int, dtype: tf.DType) -> tf.Tensor:
    """1 at the first `lengths` (N) of `width` places, 0 behind them (N x T)."""
    return tf.sequence_mask(lengths, width, dtype)


class WordVectors(tf.Module):
    """The vector of every word: trained (`embedding.weight`), or as it is (`embedding.vectors`)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        if STATIC in weights:
            self.vectors = tf.Variable(weights[STATIC], name=STATIC, trainable=False)
        else:
            self.weight = trained(weights, TRAINED)

    def __call__(self, tokens: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Ids (N, T) to vectors (N, T, D) in the mask's precision, zeros where the mask (N, T) is 0.

        The gradient of trained vectors comes as rows; `tf_impl.step` makes it dense, as the optimizer wants it.
        """
        table = self.vectors if hasattr(self, "vectors") else self.weight
        return tf.cast(tf.gather(table, tokens), mask.dtype) * mask[..., None]
