"""Hierarchical attention in PyTorch. Mirror: `tf_impl/families/han/network.py`.

Legend: N texts, S sentences of a text, T words of a sentence, R rows (of sentences, or of texts), L steps of a row,
D features of a step, H of a direction of a GRU, A features that are compared with a context, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.families.han.inputs import Inputs
from pt_impl.layers import Linear, Weights
from pt_impl.recurrent import BidirectionalGru
from pt_impl.words import WordVectors
from shared.families.han.architecture import DROPOUT_PLACE, LEVELS, Architecture


class Level(nn.Module):
    """A bidirectional GRU over the steps of a row, and attention over what it says of them."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.gru = BidirectionalGru(weights, f"{name}.gru")
        self.attention = Linear(weights, f"{name}.attention")
        self.context = nn.Parameter(torch.tensor(weights[f"{name}.context"]))

    def forward(self, x: Tensor, lengths: Tensor, mask: Tensor) -> Tensor:
        """Steps (R, L, D) to one vector a row (R, 2H).

        Args:
            lengths: (R), steps before the padding. mask: (R, L), 1 for a step, 0 for padding.
        """
        states = self.gru(x, lengths)
        return attend(states, squashed(self.attention(states)), self.context.to(x.dtype), mask)


def squashed(x: Tensor) -> Tensor:
    """What is compared with a context: tanh of (R, L, A)."""
    return torch.tanh(x)


def attend(states: Tensor, compared: Tensor, context: Tensor, mask: Tensor) -> Tensor:
    """The mean of states (R, L, 2H), weighted by the softmax of `compared` (R, L, A) times `context` (A); nothing of
    padding."""
    scores = (compared @ context).masked_fill(mask == 0, float("-inf"))
    return torch.bmm(F.softmax(scores, 1)[:, None], states)[:, 0]


class Han(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.words, self.sentences = (Level(weights, level) for level in LEVELS)
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, 2H), in the precision of the inputs' masks."""
        tokens, word_mask = inputs.tokens.flatten(0, 1), inputs.word_mask.flatten(0, 1)
        of_sentences = self.words(self.embedding(tokens, word_mask), inputs.word_lengths.flatten(), word_mask)
        return self.sentences(of_sentences.view(*inputs.mask.shape, -1), inputs.lengths, inputs.mask)

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, 2H) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
