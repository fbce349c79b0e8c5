"""The `native` arm's hierarchical attention: of the library's layers. Mirror: `pt_impl/families/han/native.py`.

No library ships this network; this is the code that its users write, as that which Adhikari et al. released: the
library's own initial weights, and padding that is not masked.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.families.han.start import CONTEXT_BOUNDS
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC
from tf_impl.dropout import Dropout
from tf_impl.families.han.inputs import Inputs
from tf_impl.precision import in_precision_of

SETTINGS = {"gru": "keras.layers.GRU", "padding": "not masked"}


class NativeNetwork(tf.Module):
    """Layers of Keras with the interface of the matched network."""

    @in_precision_of
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        import keras

        arch = family_of(cell.workload).architecture(cell.workload)
        keras.utils.set_random_seed(cell.seed)
        self.embedding = keras.layers.Embedding(
            arch.vocabulary_size, arch.vector_size, trainable=not arch.static_vectors, name="embedding"
        )
        self.embedding.build((None, None))
        if arch.static_vectors:
            self.embedding.set_weights([starting_weights(cell)[STATIC]])
        self.levels = [Level(inputs, hidden, arch.attention_size, level) for level, inputs, hidden in arch.level_sizes]
        self.dropout = keras.layers.Dropout(arch.dropout)
        self.classifier = keras.layers.Dense(arch.num_classes, name="classifier")
        self.classifier.build((None, arch.num_features))

    @property
    def layers(self) -> tuple[Any, ...]:
        """The layers that have weights."""
        inner = (layer for level in self.levels for layer in (level.gru, level.attention, level.score))
        return self.embedding, *inner, self.classifier

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All of the library's variables (tf.Module does not look into Keras layers)."""
        return tuple(variable.value for layer in self.layers for variable in layer.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self.canonical_parameters().values())

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The library's parameters by its names."""
        return {variable.path: variable.value for layer in self.layers for variable in layer.trainable_variables}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, 2H)."""
        words, sentences = self.levels
        texts, num_sentences, num_words = inputs.tokens.shape
        found = words(self.embedding(tf.reshape(inputs.tokens, [texts * num_sentences, num_words])))
        return sentences(tf.reshape(found, [texts, num_sentences, -1]))

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, 2H) to logits (N, K); the library draws its own drops."""
        return self.classifier(self.dropout(features, training=drops is not None))

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)


class Level(tf.Module):
    """A bidirectional GRU and attention over its states."""

    def __init__(self, num_inputs: int, hidden: int, attention_size: int, name: str) -> None:
        super().__init__()
        import keras

        bound = CONTEXT_BOUNDS[f"{name}.context"]
        self.gru = keras.layers.Bidirectional(keras.layers.GRU(hidden, return_sequences=True), name=f"{name}_gru")
        self.attention = keras.layers.Dense(attention_size, "tanh", name=f"{name}_attention")
        context = keras.initializers.RandomUniform(-bound, bound)
        self.score = keras.layers.Dense(1, use_bias=False, kernel_initializer=context, name=f"{name}_context")
        self.gru.build((None, None, num_inputs))
        self.attention.build((None, None, 2 * hidden))
        self.score.build((None, None, attention_size))

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Steps (R, L, D) to one vector a row (R, 2H)."""
        states = self.gru(x)
        return tf.reduce_sum(tf.nn.softmax(self.score(self.attention(states)), 1) * states, 1)
