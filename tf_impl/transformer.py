"""Layers of a transformer (Vaswani et al., 2017; post-norm as in BERT). Mirror: `pt_impl/transformer.py`.

Legend: N samples, L tokens that are attended to, R tokens that are read, H features, A heads, D features per head.
"""

from __future__ import annotations

import math

import tensorflow as tf

from tf_impl import text_ops
from tf_impl.dropout import Dropout
from tf_impl.layers import Linear, Weights, trained


class LayerNorm(tf.Module):
    """Layer norm over H."""

    def __init__(self, weights: Weights, name: str, epsilon: float) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.bias = trained(weights, f"{name}.bias")
        self.epsilon = epsilon

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(..., H) to the same."""
        return text_ops.layer_norm(x, self.weight, self.bias, self.epsilon)

    def of_sum(self, x: tf.Tensor, change: tf.Tensor, drops: Dropout | None, place: int, rate: float) -> tf.Tensor:
        """x + change (..., H), some features of the change dropped, and normed."""
        if drops is None:
            return self(x + change)
        return text_ops.sum_norm(x, change, drops, place, rate, self.weight, self.bias, self.epsilon)


class Embedding(tf.Module):
    """A table of vectors, one row an entry."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")


class FusedProjections(tf.Module):
    """Queries, keys and values by one product; keys have no bias, which the softmax would take off again."""

    def __init__(self, weights: Weights, name: str) -> None:
        super().__init__()
        self.weight = trained(weights, f"{name}.weight")
        self.query_bias = trained(weights, f"{name}.query_bias")
        self.value_bias = trained(weights, f"{name}.value_bias")

    def __call__(self, x: tf.Tensor, readers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Queries (N, R, H) of the readers, keys and values (N, L, H)."""
        weight, query_bias, value_bias = (
            tf.cast(each, x.dtype) for each in (self.weight, self.query_bias, self.value_bias)
        )
        hidden = query_bias.shape[0]
        if readers is x:
            query, key, value = tf.split(_product(x, weight), 3, -1)
        else:
            query = _product(readers, weight[:, :hidden])
            key, value = tf.split(_product(x, weight[:, hidden:]), 2, -1)
        return query + query_bias, key, value + value_bias


def _product(x: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """x (..., in) times a weight (in, out), as one product of two axes (see `tf_impl.layers.Linear`)."""
    rows = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), weight)
    return tf.reshape(rows, [*x.shape[:-1], weight.shape[-1]])


class Layer(tf.Module):
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

    def __call__(self, x: tf.Tensor, readers: tf.Tensor, bias: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
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

    def attention(self, x: tf.Tensor, readers: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """Scaled dot-product attention, every head: (N, L, H), (N, R, H) to (N, R, H)."""
        projected = self.projections(x, readers) if self.fused else (self.query(readers), self.key(x), self.value(x))
        query, key, value = (self.split(each) for each in projected)
        scores = tf.matmul(query * (1.0 / math.sqrt(query.shape[-1])), key, transpose_b=True)
        attended = tf.matmul(tf.nn.softmax(scores + bias), value)
        return tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), readers.shape)

    def split(self, x: tf.Tensor) -> tf.Tensor:
        """(N, L, H) to (N, A, L, D)."""
        apart = tf.reshape(x, [*x.shape[:-1], self.num_heads, x.shape[-1] // self.num_heads])
        return tf.transpose(apart, [0, 2, 1, 3])
