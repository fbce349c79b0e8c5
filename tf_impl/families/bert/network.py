"""BERT in TensorFlow. Mirror: `pt_impl/families/bert/network.py`.

Legend: N texts, T tokens, H features, K classes.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.bert.architecture import EMBEDDINGS_PLACE, Architecture, layer_place
from tf_impl.dropout import Dropout
from tf_impl.families.bert.inputs import Inputs
from tf_impl.layers import Linear, Weights, canonical_name
from tf_impl.transformer import Embedding, Layer, LayerNorm


class Embeddings(tf.Module):
    """Token, position and (the first) segment vectors, added and normed."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.token = Embedding(weights, "embeddings.token")
        self.position = Embedding(weights, "embeddings.position")
        self.segment = Embedding(weights, "embeddings.segment")
        self.norm = LayerNorm(weights, "embeddings.norm", arch.norm_epsilon)

    def __call__(self, tokens: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Token ids (N, T) to (N, T, H)."""
        place = self.position.weight[: tokens.shape[1]] + self.segment.weight[0]
        return self.norm(tf.cast(tf.gather(self.token.weight, tokens) + place, dtype))


class Bert(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embeddings = Embeddings(weights, arch)
        self.layers = [
            Layer(
                weights, f"layers.{index}", arch.num_heads, arch.norm_epsilon,
                (layer_place(index, 0), layer_place(index, 1)), arch.hidden_dropout,
            )
            for index in range(arch.num_layers)
        ]  # fmt: skip
        self.pooler = Linear(weights, "pooler")
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, H), in the precision of the inputs' bias.

        Of the last layer only [CLS] is read, so only its part is computed: a seventh of the work of six layers.
        """
        x = self.embeddings(inputs.tokens, inputs.bias.dtype)
        if drops is not None:
            x = drops.drop(x, EMBEDDINGS_PLACE, self.arch.hidden_dropout)
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, x, inputs.bias, drops)
        x = last(x, x[:, :1], inputs.bias, drops)
        return tf.tanh(self.pooler(x[:, 0]))

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, H) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], self.arch.classifier_place, self.arch.classifier_dropout)[:, 0]
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
