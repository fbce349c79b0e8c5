"""The `native` arm's convolutions over words: of the library's layers. Mirror: `tf_impl/families/cnn/native.py`.

No library ships these networks; this is the code that their users write, as that which Adhikari et al. released: the
library's own initial weights and draws of dropout, and padding that is not masked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.words import Inputs
from shared.families import family_of
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC

SETTINGS = {"convolution": "torch.nn.Conv1d", "maximum": "adaptive_max_pool1d", "padding": "not masked"}


class NativeNetwork(nn.Module):
    """Layers of `torch.nn` with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        arch = family_of(cell.workload).architecture(cell.workload)
        self.num_windows = arch.num_windows
        torch.manual_seed(cell.seed)
        self.embedding = nn.Embedding(arch.vocabulary_size, arch.vector_size)
        if arch.static_vectors:
            vectors = torch.tensor(starting_weights(cell)[STATIC])
            self.embedding = nn.Embedding.from_pretrained(vectors, freeze=True)
        self.convolutions = nn.ModuleDict(
            {
                str(size): nn.Conv1d(arch.vector_size, arch.num_filters, size, padding=size - 1)
                for size in arch.kernel_sizes
            }
        )
        self.bottleneck = nn.Linear(arch.num_maxima, arch.bottleneck_size) if arch.bottleneck_size else None
        self.dropout = nn.Dropout(arch.dropout)
        self.classifier = nn.Linear(arch.num_features, arch.num_classes)

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by canonical name."""
        return {name: each for name, each in self.named_parameters() if each.requires_grad}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, F)."""
        x = self.embedding(inputs.tokens).transpose(1, 2)
        found = [F.adaptive_max_pool1d(F.relu(each(x)), self.num_windows) for each in self.convolutions.values()]
        features = torch.cat(found, 1).flatten(1)
        return features if self.bottleneck is None else F.relu(self.bottleneck(features))

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, F) to logits (N, K); the library draws its own drops."""
        self.dropout.train(drops is not None)
        return self.classifier(self.dropout(features))

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K), under autocast where the mask is not float32."""
        dtype, device = inputs.mask.dtype, inputs.mask.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(inputs, drops, training), drops)
