"""The `native` arm's convolutions over words: of the library's layers. Mirror: `pt_impl/families/cnn/native.py`.

No library ships these networks; this is the code that their users write, as that which Adhikari et al. released: the
library's own initial weights and draws of dropout, and padding that is not masked.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC
from tf_impl.dropout import Dropout
from tf_impl.precision import in_precision_of
from tf_impl.words import Inputs

SETTINGS = {"convolution": "keras.layers.Conv1D", "maximum": "AdaptiveMaxPooling1D", "padding": "not masked"}


class NativeNetwork(tf.Module):
    """Layers of Keras with the interface of the matched network."""

    @in_precision_of
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        import keras

        arch = family_of(cell.workload).architecture(cell.workload)
        self.num_features = arch.num_features
        keras.utils.set_random_seed(cell.seed)
        self.embedding = keras.layers.Embedding(
            arch.vocabulary_size, arch.vector_size, trainable=not arch.static_vectors, name="embedding"
        )
        self.embedding.build((None, None))
        if arch.static_vectors:
            self.embedding.set_weights([starting_weights(cell)[STATIC]])
        self.paddings = [keras.layers.ZeroPadding1D(size - 1) for size in arch.kernel_sizes]
        self.convolutions = [
            keras.layers.Conv1D(arch.num_filters, size, activation="relu") for size in arch.kernel_sizes
        ]
        for each in self.convolutions:
            each.build((None, None, arch.vector_size))
        whole = arch.num_windows == 1
        self.pool = keras.layers.GlobalMaxPooling1D() if whole else keras.layers.AdaptiveMaxPooling1D(arch.num_windows)
        self.bottleneck = keras.layers.Dense(arch.bottleneck_size, "relu") if arch.bottleneck_size else None
        if self.bottleneck is not None:
            self.bottleneck.build((None, arch.num_maxima))
        self.dropout = keras.layers.Dropout(arch.dropout)
        self.classifier = keras.layers.Dense(arch.num_classes)
        self.classifier.build((None, arch.num_features))
        self.kernel_sizes = arch.kernel_sizes

    @property
    def layers(self) -> dict[str, Any]:
        """The layers that have weights, by canonical name."""
        named = {f"convolutions.{size}": each for size, each in zip(self.kernel_sizes, self.convolutions, strict=True)}
        bottleneck = {} if self.bottleneck is None else {"bottleneck": self.bottleneck}
        return {"embedding": self.embedding, **named, **bottleneck, "classifier": self.classifier}

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All of the library's variables (tf.Module does not look into Keras layers)."""
        return tuple(variable.value for layer in self.layers.values() for variable in layer.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self.canonical_parameters().values())

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The library's parameters by canonical name."""
        return {
            f"{name}.{'bias' if variable.name == 'bias' else 'weight'}": variable.value
            for name, layer in self.layers.items()
            for variable in layer.trainable_variables
        }

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, F)."""
        x = self.embedding(inputs.tokens)
        layers = zip(self.paddings, self.convolutions, strict=True)
        found = tf.concat([self.pool(convolution(padding(x))) for padding, convolution in layers], -1)
        features = tf.reshape(found, [found.shape[0], -1])
        return features if self.bottleneck is None else self.bottleneck(features)

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K); the library draws its own drops."""
        return self.classifier(self.dropout(features, training=drops is not None))

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
