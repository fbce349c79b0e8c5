"""Layers of a transformer (Vaswani et al., 2017; post-norm as in BERT). Mirror: `tf_impl/transformer.py`.

Legend: N samples, L tokens that are attended to, R tokens that are read, H features, A heads, D features per head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl import text_ops
from pt_impl.dropout import Dropout
from pt_impl.layers import Linear, Weights


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


class FusedProjections(nn.Module):
    """Queries, keys and values by one product; keys have no bias, which the softmax would take off again."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.query_bias = nn.Parameter(torch.tensor(weights[f"{name}.query_bias"]))
        self.value_bias = nn.Parameter(torch.tensor(weights[f"{name}.value_bias"]))

    def forward(self, x: Tensor, readers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (N, R, H) of the readers, keys and values (N, L, H)."""
        weight, query_bias, value_bias = (each.to(x.dtype) for each in (self.weight, self.query_bias, self.value_bias))
        if readers is x:
            query, key, value = F.linear(x, weight).chunk(3, -1)
        else:
            query = F.linear(readers, weight[: len(query_bias)])
            key, value = F.linear(x, weight[len(query_bias) :]).chunk(2, -1)
        return query + query_bias, key, value + value_bias


class Layer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual connection and a norm behind it."""

    def __init__(
        self,
        weights: Weights,
        name: str,
        num_heads: int,
        norm_epsilon: float,
        places: tuple[int, int],
        rate: float,
        fused: bool = False,
    ) -> None:
        """
        Args:
            places, rate: of dropout, behind the attention and behind the feed-forward network.
            fused: whether queries, keys and values are one product.
        """
        super().__init__()
        if fused:
            self.projections = FusedProjections(weights, f"{name}.projections")
        else:
            self.query = Linear(weights, f"{name}.query")
            self.key = Linear(weights, f"{name}.key")
            self.value = Linear(weights, f"{name}.value")
        self.output = Linear(weights, f"{name}.output")
        self.attention_norm = LayerNorm(weights, f"{name}.attention_norm", norm_epsilon)
        self.up = Linear(weights, f"{name}.up")
        self.down = Linear(weights, f"{name}.down")
        self.output_norm = LayerNorm(weights, f"{name}.output_norm", norm_epsilon)
        self.num_heads, self.places, self.rate, self.fused = num_heads, places, rate, fused

    def forward(self, x: Tensor, readers: Tensor, bias: Tensor, drops: Dropout | None) -> Tensor:
        """The new features of the tokens that are read.

        Args:
            x: (N, L, H), what is attended to. readers: (N, R, H), some of its tokens.
            bias: (N, 1 or A, 1 or R, L), added to the scores: -inf for padding.
            drops: of the batch; None drops nothing.
        """
        attended = self.output(self.attention(x, readers, bias))
        x = self.attention_norm.of_sum(readers, attended, drops, self.places[0], self.rate)
        changed = self.down(text_ops.gelu(self.up(x)))
        return self.output_norm.of_sum(x, changed, drops, self.places[1], self.rate)

    def attention(self, x: Tensor, readers: Tensor, bias: Tensor) -> Tensor:
        """Scaled dot-product attention, every head: (N, L, H), (N, R, H) to (N, R, H)."""
        projected = self.projections(x, readers) if self.fused else (self.query(readers), self.key(x), self.value(x))
        query, key, value = (self.split(each) for each in projected)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias).transpose(1, 2).flatten(2)

    def split(self, x: Tensor) -> Tensor:
        """(N, L, H) to (N, A, L, D)."""
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
