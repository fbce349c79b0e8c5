"""Hierarchical attention as data: its sizes, its parameters by canonical name, what is dropped where.

Source: Yang, Yang, Dyer, He, Smola, Hovy, "Hierarchical Attention Networks for Document Classification", NAACL 2016: a
bidirectional GRU over the words of a sentence and attention over what it says of them, and the same over the sentences.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.family import Shapes
from shared.word_weights import vector_shapes

DROPOUT_PLACE, NUM_PLACES = 0, 1  # before the classifier
LEVELS = ("words", "sentences")
DIRECTIONS = ("forward", "backward")
NUM_GATES = 3  # reset, update, new: as PyTorch has them one below the other


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    word_hidden_size: int
    sentence_hidden_size: int
    attention_size: int
    vocabulary_size: int
    vector_size: int
    static_vectors: bool
    num_classes: int
    dropout: float

    @property
    def num_features(self) -> int:
        """What the classifier reads."""
        return 2 * self.sentence_hidden_size

    @property
    def drop_rates(self) -> dict[int, float]:
        """The places where something is dropped to their rates."""
        return {DROPOUT_PLACE: self.dropout} if self.dropout else {}

    @property
    def level_sizes(self) -> tuple[tuple[str, int, int], ...]:
        """Each level with the features that it reads and those of a direction of its GRU."""
        words, sentences = LEVELS
        return (
            (words, self.vector_size, self.word_hidden_size),
            (sentences, 2 * self.word_hidden_size, self.sentence_hidden_size),
        )


def parameter_shapes(arch: Architecture) -> Shapes:
    """Canonical name of every tensor to its shape, in forward order; linear weights are (out, in)."""
    shapes = vector_shapes(arch.vocabulary_size, arch.vector_size, arch.static_vectors)
    for level, num_inputs, hidden in arch.level_sizes:
        gates = NUM_GATES * hidden
        for direction in DIRECTIONS:
            name = f"{level}.gru.{direction}"
            shapes[f"{name}.weight_ih"] = (gates, num_inputs)
            shapes[f"{name}.weight_hh"] = (gates, hidden)
            shapes[f"{name}.bias_ih"] = (gates,)
            shapes[f"{name}.bias_hh"] = (gates,)
        shapes[f"{level}.attention.weight"] = (arch.attention_size, 2 * hidden)
        shapes[f"{level}.attention.bias"] = (arch.attention_size,)
        shapes[f"{level}.context"] = (arch.attention_size,)
    shapes["classifier.weight"] = (arch.num_classes, arch.num_features)
    shapes["classifier.bias"] = (arch.num_classes,)
    return shapes
