"""The `native` arm's hierarchical attention: of the library's layers. Mirror: `tf_impl/families/han/native.py`.

No library ships this network; this is the code that its users write, as that which Adhikari et al. released: the
library's own initial weights, and padding that is not masked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.families.han.inputs import Inputs
from shared.families import family_of
from shared.families.han.start import CONTEXT_BOUNDS
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC

SETTINGS = {"gru": "torch.nn.GRU", "padding": "not masked"}


class NativeNetwork(nn.Module):
    """Layers of `torch.nn` with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        arch = family_of(cell.workload).architecture(cell.workload)
        torch.manual_seed(cell.seed)
        self.embedding = nn.Embedding(arch.vocabulary_size, arch.vector_size)
        if arch.static_vectors:
            vectors = torch.tensor(starting_weights(cell)[STATIC])
            self.embedding = nn.Embedding.from_pretrained(vectors, freeze=True)
        self.levels = nn.ModuleDict(
            {level: Level(inputs, hidden, arch.attention_size, level) for level, inputs, hidden in arch.level_sizes}
        )
        self.dropout = nn.Dropout(arch.dropout)
        self.classifier = nn.Linear(arch.num_features, arch.num_classes)

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by its names."""
        return {name: each for name, each in self.named_parameters() if each.requires_grad}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, 2H)."""
        words, sentences = self.levels.values()
        found = words(self.embedding(inputs.tokens.flatten(0, 1)))
        return sentences(found.view(*inputs.mask.shape, -1))

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, 2H) to logits (N, K); the library draws its own drops."""
        self.dropout.train(drops is not None)
        return self.classifier(self.dropout(features))

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K), under autocast where the masks are not float32."""
        dtype, device = inputs.mask.dtype, inputs.mask.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(inputs, drops, training), drops)


class Level(nn.Module):
    """A bidirectional GRU and attention over its states."""

    def __init__(self, num_inputs: int, hidden: int, attention_size: int, name: str) -> None:
        super().__init__()
        self.gru = nn.GRU(num_inputs, hidden, batch_first=True, bidirectional=True)
        self.attention = nn.Linear(2 * hidden, attention_size)
        bound = CONTEXT_BOUNDS[f"{name}.context"]
        self.context = nn.Parameter(torch.empty(attention_size).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Steps (R, L, D) to one vector a row (R, 2H)."""
        states, _ = self.gru(x)
        scores = torch.tanh(self.attention(states)) @ self.context.to(states.dtype)
        return (F.softmax(scores, 1).to(states.dtype)[..., None] * states).sum(1)
