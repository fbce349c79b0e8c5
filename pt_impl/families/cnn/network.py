"""Convolutions over words in PyTorch. Mirror: `tf_impl/families/cnn/network.py`.

Legend: N texts, F features, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.families.cnn.convolution import Convolution
from pt_impl.layers import Linear, Weights
from pt_impl.words import Inputs, WordVectors
from shared.families.cnn.architecture import DROPOUT_PLACE, Architecture


class Cnn(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embedding = WordVectors(weights)
        self.convolutions = nn.ModuleDict(
            {str(size): Convolution(weights, f"convolutions.{size}", size) for size in arch.kernel_sizes}
        )
        self.bottleneck = Linear(weights, "bottleneck") if arch.bottleneck_size else None
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, F), in the precision of the inputs' mask.

        ReLU of the maximum is the maximum of ReLU, and there are hundreds of times fewer maxima than places.
        """
        x = self.embedding(inputs.tokens, inputs.mask)
        maxima = [each.maxima(x, inputs.lengths, self.arch.num_windows) for each in self.convolutions.values()]
        found = torch.relu(torch.cat(maxima, 1))
        return found if self.bottleneck is None else torch.relu(self.bottleneck(found))

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, F) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], DROPOUT_PLACE, self.arch.dropout)[:, 0]
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
