"""A bidirectional LSTM in TensorFlow. Mirror: `pt_impl/families/lstm/network.py`.

Legend: N texts, T words, H features of a direction, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.lstm.architecture import DROPOUT_PLACE, Architecture
from tf_impl.families.lstm.inputs import Drops
from tf_impl.layers import Linear, Weights, canonical_name
from tf_impl.recurrent import BidirectionalLstm
from tf_impl.words import Inputs, WordVectors


class Lstm(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.lstm = BidirectionalLstm(weights, "lstm")
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> tf.Tensor:
        """Texts to features (N, 2H), in the precision of the inputs' mask."""
        x, matrix = self.embedding(inputs.tokens, inputs.mask), None
        if drops is not None:
            factors = drops.word_factors(inputs.tokens, self.arch, x.dtype)
            x = x if factors is None else x * factors[..., None]
            matrix = drops.recurrent(self.lstm.direction("forward").weight_hh, self.arch)
        return highest(self.lstm(x, inputs.lengths, matrix))

    def classify(self, features: tf.Tensor, drops: Drops | None) -> tf.Tensor:
        """Features (N, 2H) to logits (N, K)."""
        if drops is not None:
            features = drops.of_texts.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)


def highest(states: tf.Tensor) -> tf.Tensor:
    """ReLU of states (N, T, 2H) and their maximum over time (N, 2H).

    ReLU of the maximum is the maximum of ReLU. Padding, whose states are 0, needs no mask here: it only wins where all
    states are below 0, and ReLU makes 0 of those, and no gradient. Equal maxima share theirs, as PyTorch's do.
    """
    return tf.nn.relu(tf.reduce_max(states, 1))
