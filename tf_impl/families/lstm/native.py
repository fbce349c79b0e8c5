"""The `native` arm's bidirectional LSTM: of the library's layers. Mirror: `pt_impl/families/lstm/native.py`.

No library ships this network; this is the code that its users write: masked texts, the library's own initial weights
and draws of dropout. The library drops no recurrent weights and no words of the vocabulary.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from shared.families import family_of
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC
from tf_impl.families.lstm.inputs import Drops
from tf_impl.precision import in_precision_of
from tf_impl.words import Inputs

SETTINGS = {"recurrence": "keras.layers.LSTM, masked", "weight drop": "none", "embedding dropout": "none"}


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
        one = keras.layers.LSTM(arch.hidden_size, return_sequences=True, zero_output_for_mask=True)
        self.lstm = keras.layers.Bidirectional(one)
        self.lstm.build((None, None, arch.vector_size))
        self.dropout = keras.layers.Dropout(arch.dropout)
        self.classifier = keras.layers.Dense(arch.num_classes)
        self.classifier.build((None, arch.num_features))

    @property
    def layers(self) -> dict[str, Any]:
        """The layers that have weights, by name."""
        return {"embedding": self.embedding, "lstm": self.lstm, "classifier": self.classifier}

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All of the library's tensors (tf.Module does not look into Keras layers)."""
        return tuple(variable.value for layer in self.layers.values() for variable in layer.weights)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self.canonical_parameters().values())

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The library's parameters by its own names, those of the classifier by canonical ones."""
        named = {
            f"classifier.{'bias' if variable.name == 'bias' else 'weight'}": variable.value
            for variable in self.classifier.trainable_variables
        }
        others = (*self.embedding.trainable_variables, *self.lstm.trainable_variables)
        return {variable.path: variable.value for variable in others} | named

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> tf.Tensor:
        """Texts to features (N, 2H)."""
        mask = tf.sequence_mask(inputs.lengths, inputs.tokens.shape[1])
        states = self.lstm(self.embedding(inputs.tokens), mask=mask, training=training)
        return tf.reduce_max(tf.nn.relu(states), 1)

    def classify(self, features: tf.Tensor, drops: Drops | None) -> tf.Tensor:
        """Features (N, 2H) to logits (N, K); the library draws its own drops."""
        return self.classifier(self.dropout(features, training=drops is not None))

    def __call__(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
