"""A bidirectional LSTM with the maximum over time as data: its sizes, its parameters, what is dropped where.

Source: Adhikari, Ram, Tang, Lin, "Rethinking Complex Neural Network Architectures for Document Classification", NAACL
2019 (LSTM_reg): dropout of words of the vocabulary (Gal and Ghahramani, NIPS 2016) and of the recurrent matrix (Merity,
Keskar, Socher, "Regularizing and optimizing LSTM language models", ICLR 2018), and an average of the weights.

Legend: V words of the vocabulary, D features of a word, H of a direction, K classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from shared.family import Shapes
from shared.word_weights import vector_shapes

DROPOUT_PLACE, NUM_PLACES = 0, 1  # before the classifier, drawn for each text
ROWS_PLACE, RECURRENT_PLACE, NUM_STEP_PLACES = 0, 1, 2  # drawn for a step: words of the vocabulary, recurrent weights
DIRECTIONS = ("forward", "backward")
NUM_GATES = 4  # input, forget, cell, output: as PyTorch has them one below the other


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    hidden_size: int
    vocabulary_size: int
    vector_size: int
    static_vectors: bool
    num_classes: int
    dropout: float
    weight_drop: float
    embedding_dropout: float

    @property
    def num_features(self) -> int:
        """What the classifier reads."""
        return 2 * self.hidden_size

    @property
    def drop_rates(self) -> dict[int, float]:
        """The places where something of each text is dropped to their rates."""
        return {DROPOUT_PLACE: self.dropout} if self.dropout else {}

    @property
    def recurrent_shape(self) -> tuple[int, int]:
        """Of a direction's recurrent matrix."""
        return NUM_GATES * self.hidden_size, self.hidden_size


def parameter_shapes(arch: Architecture) -> Shapes:
    """Canonical name of every tensor to its shape, in forward order; linear weights are (out, in)."""
    shapes = vector_shapes(arch.vocabulary_size, arch.vector_size, arch.static_vectors)
    gates, hidden = arch.recurrent_shape
    for direction in DIRECTIONS:
        shapes[f"lstm.{direction}.weight_ih"] = (gates, arch.vector_size)
        shapes[f"lstm.{direction}.weight_hh"] = (gates, hidden)
        shapes[f"lstm.{direction}.bias_ih"] = (gates,)
        shapes[f"lstm.{direction}.bias_hh"] = (gates,)
    shapes["classifier.weight"] = (arch.num_classes, arch.num_features)
    shapes["classifier.bias"] = (arch.num_classes,)
    return shapes


def published_counts(arch: Architecture) -> tuple[int, int]:
    """Trained scalars of a network of the published sizes on static vectors: as counted here, and as the released code
    has them, 3,334,144 in the LSTM (two bias vectors a direction) and 1025 a class in the classifier.

    DocBERT says of them "less than four million parameters" (section 5).
    """
    shapes = parameter_shapes(replace(arch, hidden_size=512, vector_size=300))
    counted = sum(math.prod(shape) for name, shape in shapes.items() if not name.startswith("embedding."))
    return counted, 3_334_144 + 1025 * arch.num_classes
