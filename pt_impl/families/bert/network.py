"""BERT in PyTorch. Mirror: `tf_impl/families/bert/network.py`.

Legend: N texts, T tokens, H features, A heads, D features per head, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl import text_ops
from pt_impl.dropout import Dropout
from pt_impl.families.bert.inputs import Inputs
from pt_impl.layers import Linear, Weights
from shared.families.bert.architecture import EMBEDDINGS_PLACE, Architecture, layer_place


class LayerNorm(nn.Module):
    """Layer norm over H."""

    def __init__(self, weights: Weights, name: str, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(..., H) to the same."""
        return text_ops.layer_norm(x, self.weight, self.bias, self.epsilon)

    def of_sum(self, x: Tensor, change: Tensor, drops: Dropout | None, place: int, rate: float) -> Tensor:
        """x + change (..., H), some features of the change dropped, and normed."""
        if drops is None:
            return self(x + change)
        return text_ops.sum_norm(x, change, drops, place, rate, self.weight, self.bias, self.epsilon)


class Embedding(nn.Module):
    """A table of vectors, one row an entry."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))


class Embeddings(nn.Module):
    """Token, position and (the first) segment vectors, added and normed."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.token = Embedding(weights, "embeddings.token")
        self.position = Embedding(weights, "embeddings.position")
        self.segment = Embedding(weights, "embeddings.segment")
        self.norm = LayerNorm(weights, "embeddings.norm", arch.norm_epsilon)

    def forward(self, tokens: Tensor, dtype: torch.dtype) -> Tensor:
        """Token ids (N, T) to (N, T, H)."""
        place = self.position.weight[: tokens.shape[1]] + self.segment.weight[0]
        return self.norm((F.embedding(tokens, self.token.weight) + place).to(dtype))


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual connection and a norm behind it."""

    def __init__(self, weights: Weights, index: int, arch: Architecture) -> None:
        super().__init__()
        name = f"layers.{index}"
        self.query = Linear(weights, f"{name}.query")
        self.key = Linear(weights, f"{name}.key")
        self.value = Linear(weights, f"{name}.value")
        self.output = Linear(weights, f"{name}.output")
        self.attention_norm = LayerNorm(weights, f"{name}.attention_norm", arch.norm_epsilon)
        self.up = Linear(weights, f"{name}.up")
        self.down = Linear(weights, f"{name}.down")
        self.output_norm = LayerNorm(weights, f"{name}.output_norm", arch.norm_epsilon)
        self.num_heads = arch.num_heads
        self.places = layer_place(index, 0), layer_place(index, 1)
        self.rate = arch.hidden_dropout

    def forward(self, x: Tensor, readers: Tensor, bias: Tensor, drops: Dropout | None) -> Tensor:
        """The new features of the tokens that are read.

        Args:
            x: (N, T, H), what is attended to. readers: (N, R, H), the first R tokens of it.
            bias: (N, 1, 1, T), 0 for a token and -inf for padding.
            drops: of the batch; None drops nothing.
        """
        attended = self.output(self.attention(x, readers, bias))
        x = self.attention_norm.of_sum(readers, attended, drops, self.places[0], self.rate)
        changed = self.down(text_ops.gelu(self.up(x)))
        return self.output_norm.of_sum(x, changed, drops, self.places[1], self.rate)

    def attention(self, x: Tensor, readers: Tensor, bias: Tensor) -> Tensor:
        """Scaled dot-product attention, every head: (N, T, H), (N, R, H) to (N, R, H)."""
        query, key, value = self.split(self.query(readers)), self.split(self.key(x)), self.split(self.value(x))
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias).transpose(1, 2).flatten(2)

    def split(self, x: Tensor) -> Tensor:
        """(N, T, H) to (N, A, T, D)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class Bert(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embeddings = Embeddings(weights, arch)
        self.layers = nn.ModuleList(Layer(weights, index, arch) for index in range(arch.num_layers))
        self.pooler = Linear(weights, "pooler")
        self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """Texts to features (N, H), in the precision of the inputs' bias (see `Layer`).

        Of the last layer only [CLS] is read, so only its part is computed: a seventh of the work of six layers.
        """
        x = self.embeddings(inputs.tokens, inputs.bias.dtype)
        if drops is not None:
            x = drops.drop(x, EMBEDDINGS_PLACE, self.arch.hidden_dropout)
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, x, inputs.bias, drops)
        x = last(x, x[:, :1], inputs.bias, drops)
        return torch.tanh(self.pooler(x[:, 0]))

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, H) to logits (N, K)."""
        if drops is not None:
            features = drops.drop(features[:, None], self.arch.classifier_place, self.arch.classifier_dropout)[:, 0]
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
