"""The BERT classifier as data: its sizes, its parameters by canonical name, what is dropped where.

Both wings build their network from `Architecture` and take their tensors from a mapping keyed by the names of
`parameter_shapes`, so neither can differ in structure without failing to load.

Source: Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", NAACL 2019: post-norm layers, exact GELU, a tanh pooler over [CLS] and a linear classifier on it.
"""

from __future__ import annotations

from dataclasses import dataclass

INITIAL_DEVIATION = 0.02  # of every weight, as in the authors' release
NUM_SEGMENTS = 2
EMBEDDINGS_PLACE = 0  # of dropout


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    num_layers: int
    hidden_size: int
    num_heads: int
    intermediate_size: int
    max_positions: int
    vocabulary_size: int
    num_classes: int
    norm_epsilon: float
    hidden_dropout: float
    classifier_dropout: float

    @property
    def classifier_place(self) -> int:
        """The place of dropout before the classifier, which is the last."""
        return layer_place(self.num_layers, 0)

    @property
    def num_places(self) -> int:
        """Places where features are dropped: behind the embeddings, behind both halves of each layer, before the
        classifier. They are numbered whatever the rates, so one rate does not move the other's draws."""
        return self.classifier_place + 1

    @property
    def drop_rates(self) -> dict[int, float]:
        """The places where something is dropped, in forward order, to their rates."""
        rates = dict.fromkeys(range(self.classifier_place), self.hidden_dropout)
        return {
            place: rate for place, rate in (rates | {self.classifier_place: self.classifier_dropout}).items() if rate
        }


def layer_place(index: int, half: int) -> int:
    """The place of dropout behind a layer's attention (half 0) or feed-forward network (half 1)."""
    return EMBEDDINGS_PLACE + 1 + 2 * index + half


def parameter_shapes(arch: Architecture) -> dict[str, tuple[int, ...]]:
    """Canonical name of every tensor to its shape, in forward order; linear weights are (out, in)."""
    hidden, inner = arch.hidden_size, arch.intermediate_size
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.token.weight": (arch.vocabulary_size, hidden),
        "embeddings.position.weight": (arch.max_positions, hidden),
        "embeddings.segment.weight": (NUM_SEGMENTS, hidden),
    }

    def linear(name: str, out: int, features_in: int) -> None:
        shapes[f"{name}.weight"] = (out, features_in)
        shapes[f"{name}.bias"] = (out,)

    def norm(name: str) -> None:
        shapes[f"{name}.weight"] = (hidden,)
        shapes[f"{name}.bias"] = (hidden,)

    norm("embeddings.norm")
    for index in range(arch.num_layers):
        name = f"layers.{index}"
        for projection in ("query", "key", "value", "output"):
            linear(f"{name}.{projection}", hidden, hidden)
        norm(f"{name}.attention_norm")
        linear(f"{name}.up", inner, hidden)
        linear(f"{name}.down", hidden, inner)
        norm(f"{name}.output_norm")
    linear("pooler", hidden, hidden)
    linear("classifier", arch.num_classes, hidden)
    return shapes
