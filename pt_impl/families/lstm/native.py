"""The `native` arm's bidirectional LSTM: of the library's layers. Mirror: `tf_impl/families/lstm/native.py`.

No library ships this network; this is the code that its users write: packed texts, the library's own initial weights
and draws of dropout. The library drops no recurrent weights and no words of the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from pt_impl.families.lstm.inputs import Drops
from pt_impl.words import Inputs
from shared.families import family_of
from shared.protocol import Cell
from shared.session import starting_weights
from shared.word_weights import STATIC

SETTINGS = {"recurrence": "torch.nn.LSTM, packed", "weight drop": "none", "embedding dropout": "none"}


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
        self.lstm = nn.LSTM(arch.vector_size, arch.hidden_size, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(arch.dropout)
        self.classifier = nn.Linear(arch.num_features, arch.num_classes)

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by its own names."""
        return {name: each for name, each in self.named_parameters() if each.requires_grad}

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> Tensor:
        """Texts to features (N, 2H)."""
        lengths = inputs.lengths.cpu()  # packing asks for them there
        packed = pack_padded_sequence(self.embedding(inputs.tokens), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return torch.relu(states).amax(1)

    def classify(self, features: Tensor, drops: Drops | None) -> Tensor:
        """Features (N, 2H) to logits (N, K); the library draws its own drops."""
        self.dropout.train(drops is not None)
        return self.classifier(self.dropout(features))

    def forward(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K), under autocast where the mask is not float32."""
        dtype, device = inputs.mask.dtype, inputs.mask.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.classify(self.features(inputs, drops, training), drops)
