"""A bidirectional LSTM in PyTorch. Mirror: `tf_impl/families/lstm/network.py`.

Legend: N texts, T words, H features of a direction, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pt_impl.families.lstm.inputs import Drops
from pt_impl.layers import Linear, Weights
from pt_impl.recurrent import BidirectionalLstm
from pt_impl.words import Inputs, WordVectors
from shared.families.lstm.architecture import DROPOUT_PLACE, Architecture


class Lstm(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.lstm = BidirectionalLstm(weights, "lstm")
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> Tensor:
        """Texts to features (N, 2H), in the precision of the inputs' mask."""
        x, matrix = self.embedding(inputs.tokens, inputs.mask), None
        if drops is not None:
            factors = drops.word_factors(inputs.tokens, self.arch, x.dtype)
            x = x if factors is None else x * factors[..., None]
            matrix = drops.recurrent(self.lstm.direction("forward").weight_hh, self.arch)
        return highest(self.lstm(x, inputs.lengths, matrix))

    def classify(self, features: Tensor, drops: Drops | None) -> Tensor:
        """Features (N, 2H) to logits (N, K)."""
        if drops is not None:
            features = drops.of_texts.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)


def highest(states: Tensor) -> Tensor:
    """ReLU of states (N, T, 2H) and their maximum over time (N, 2H).

    ReLU of the maximum is the maximum of ReLU. Padding, whose states are 0, needs no mask here: it only wins where all
    states are below 0, and ReLU makes 0 of those, and no gradient. Equal maxima share theirs, as TensorFlow's do.
    """
    return torch.relu(states.amax(1))
