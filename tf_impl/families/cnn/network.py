"""Convolutions over words in TensorFlow. Mirror: `pt_impl/families/cnn/network.py`.

Legend: N texts, F features, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.cnn.architecture import DROPOUT_PLACE, Architecture
from tf_impl.dropout import Dropout
from tf_impl.families.cnn.convolution import Convolution
from tf_impl.layers import Linear, Weights, canonical_name
from tf_impl.words import Inputs, WordVectors


class Cnn(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.convolutions = {
            str(size): Convolution(weights, f"convolutions.{size}", size) for size in arch.kernel_sizes
        }
        self.bottleneck = Linear(weights, "bottleneck") if arch.bottleneck_size else None
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, F), in the precision of the inputs' mask.

        ReLU of the maximum is the maximum of ReLU, and there are hundreds of times fewer maxima than places.
        """
        x = self.embedding(inputs.tokens, inputs.mask)
        maxima = [each.maxima(x, inputs.lengths, self.arch.num_windows) for each in self.convolutions.values()]
        found = tf.nn.relu(tf.concat(maxima, 1))
        return found if self.bottleneck is None else tf.nn.relu(self.bottleneck(found))

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
