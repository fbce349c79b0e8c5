"""Hierarchical attention in TensorFlow. Mirror: `pt_impl/families/han/network.py`.

Legend: N texts, S sentences of a text, T words of a sentence, R rows (of sentences, or of texts), L steps of a row,
D features of a step, H of a direction of a GRU, A features that are compared with a context, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.han.architecture import DROPOUT_PLACE, LEVELS, Architecture
from tf_impl.dropout import Dropout
from tf_impl.families.han.inputs import Inputs
from tf_impl.layers import Linear, Weights, canonical_name, trained
from tf_impl.recurrent import BidirectionalGru
from tf_impl.words import WordVectors


class Level(tf.Module):
    """A bidirectional GRU over the steps of a row, and attention over what it says of them."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.gru = BidirectionalGru(weights, f"{name}.gru")
        self.attention = Linear(weights, f"{name}.attention")
        self.context = trained(weights, f"{name}.context")

    def __call__(self, x: tf.Tensor, lengths: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Steps (R, L, D) to one vector a row (R, 2H).

        Args:
            lengths: (R), steps before the padding. mask: (R, L), 1 for a step, 0 for padding.
        """
        states = self.gru(x, lengths)
        return attend(states, squashed(self.attention(states)), tf.cast(self.context, x.dtype), mask)


def squashed(x: tf.Tensor) -> tf.Tensor:
    """What is compared with a context: tanh of (R, L, A)."""
    return tf.tanh(x)


def attend(states: tf.Tensor, compared: tf.Tensor, context: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The mean of states (R, L, 2H), weighted by the softmax of `compared` (R, L, A) times `context` (A); nothing of
    padding."""
    scores = tf.linalg.matvec(compared, context)
    masked = tf.where(mask == 0, tf.constant(float("-inf"), scores.dtype), scores)
    return tf.matmul(tf.nn.softmax(masked, 1)[:, None], states)[:, 0]


class Han(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.words, self.sentences = (Level(weights, level) for level in LEVELS)
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, 2H), in the precision of the inputs' masks."""
        texts, sentences, words = inputs.tokens.shape
        rows = texts * sentences
        tokens, word_mask = (tf.reshape(each, [rows, words]) for each in (inputs.tokens, inputs.word_mask))
        word_lengths = tf.reshape(inputs.word_lengths, [rows])
        of_sentences = self.words(self.embedding(tokens, word_mask), word_lengths, word_mask)
        return self.sentences(tf.reshape(of_sentences, [texts, sentences, -1]), inputs.lengths, inputs.mask)

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, 2H) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
