"""LayoutLMv2 in TensorFlow. Mirror: `pt_impl/families/layoutlmv2/network.py`.

Legend: N pages, T text tokens, V visual tokens, L = T + V, H features, A heads, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.layoutlmv2.architecture import (
    REACH,
    TEXT_PLACE,
    VISUAL_PLACE,
    Architecture,
    buckets,
    layer_place,
    visual_boxes,
)
from tf_impl import text_ops
from tf_impl.dropout import Dropout
from tf_impl.families.layoutlmv2.backbone import ResNeXtPyramid
from tf_impl.families.layoutlmv2.inputs import Inputs
from tf_impl.layers import Linear, Weights, canonical_name, trained
from tf_impl.transformer import Embedding, Layer, LayerNorm


class Embeddings(tf.Module):
    """Token, position, segment and place vectors, added and normed."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.token = Embedding(weights, "embeddings.token")
        self.position = Embedding(weights, "embeddings.position")
        self.segment = Embedding(weights, "embeddings.segment")
        self.sides = arch.layout
        if arch.layout != "none":
            self.x = Embedding(weights, "embeddings.x")
            self.y = Embedding(weights, "embeddings.y")
            self.height = Embedding(weights, "embeddings.height")
            self.width = Embedding(weights, "embeddings.width")
        self.norm = LayerNorm(weights, "embeddings.norm", arch.norm_epsilon)

    def __call__(self, inputs: Inputs) -> tf.Tensor:
        """The text of pages to (N, T, H)."""
        tokens = inputs.tokens
        segment = self.segment.weight[0] if inputs.segments is None else tf.gather(self.segment.weight, inputs.segments)
        position = self.position.weight[: tokens.shape[1]] + segment
        total = tf.gather(self.token.weight, tokens) + position
        return self.norm(tf.cast(self.placed(total, inputs.boxes), inputs.bias.dtype))

    def placed(self, x: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
        """Features (..., H) with what their boxes (..., 4) add to them."""
        return x if self.sides == "none" else x + self.layout(boxes)

    def layout(self, boxes: tf.Tensor) -> tf.Tensor:
        """Boxes (..., 4) to (..., H): their edges, their height and their width."""
        across = tf.gather(self.x.weight, boxes[..., 0::2])  # (..., 2, C), left and right
        down = tf.gather(self.y.weight, boxes[..., 1::2])
        height = tf.gather(self.height.weight, boxes[..., 3] - boxes[..., 1])
        width = tf.gather(self.width.weight, boxes[..., 2] - boxes[..., 0])
        if self.sides == "summed":
            return tf.reduce_sum(across, -2) + tf.reduce_sum(down, -2) + height + width
        return tf.concat([across[..., 0, :], down[..., 0, :], across[..., 1, :], down[..., 1, :], height, width], -1)


class Visual(tf.Module):
    """The page's image as tokens."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.backbone = ResNeXtPyramid(weights, "visual.backbone", arch.backbone)
        self.projection = Linear(weights, "visual.projection")
        self.norm = LayerNorm(weights, "visual.norm", arch.norm_epsilon)
        self.pool = arch.pool
        self.boxes = visual_boxes(arch.pool)

    def __call__(self, images: tf.Tensor, embeddings: Embeddings) -> tf.Tensor:
        """(N, S, S, 3) to (N, V, H); positions and places are of the text's tables."""
        level = self.backbone(images)
        count, side, channels, pool = level.shape[0], level.shape[1] // self.pool, level.shape[-1], self.pool
        blocks = tf.reshape(level, [count, pool, side, pool, side, channels])
        patches = tf.reshape(tf.reduce_mean(blocks, [2, 4]), [count, pool**2, channels])
        place = embeddings.placed(embeddings.position.weight[: pool**2], tf.constant(self.boxes))
        return self.norm(self.projection(patches) + tf.cast(place, patches.dtype))


class AttentionBias(tf.Module):
    """What attention adds to its scores by how far apart two tokens are: in the text, across and down the page."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.distance = Embedding(weights, "attention_bias.distance")
        self.x = Embedding(weights, "attention_bias.x")
        self.y = Embedding(weights, "attention_bias.y")
        self.bins = buckets(arch.distance_bins, arch.farthest)
        self.spatial_bins = buckets(arch.spatial_bins, arch.spatial_farthest)

    def __call__(self, positions: tf.Tensor, boxes: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Positions (L) and boxes (N, L, 4) to (N, A, L, L); of a box count its left and its bottom edge."""
        bins, spatial_bins = tf.constant(self.bins), tf.constant(self.spatial_bins)
        total = (
            self.looked_up(self.distance, bins, positions)
            + self.looked_up(self.x, spatial_bins, boxes[..., 0])
            + self.looked_up(self.y, spatial_bins, boxes[..., 3])
        )
        return tf.transpose(tf.cast(total, dtype), [0, 3, 1, 2])

    @staticmethod
    def looked_up(table: Embedding, bins: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        """Places (..., L) to (..., L, L, A): the bias between each token and those that it attends to."""
        apart = places[..., None, :] - places[..., :, None]
        return tf.gather(tf.convert_to_tensor(table.weight), tf.gather(bins, apart + REACH))


class Found(NamedTuple):
    """What pre-training finds of what was hidden; logits."""

    tokens: tf.Tensor  # N x P x V, of the masked ones
    alignment: tf.Tensor  # N x T x 2: whether its line is covered on the image
    matching: tf.Tensor  # N x 1 x 2: whether the image is the page's


class PretrainingHead(tf.Module):
    """The three heads of pre-training. Masked tokens are told by the token vectors themselves, as in BERT."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.transform = Linear(weights, "classifier.transform")
        self.norm = LayerNorm(weights, "classifier.norm", arch.norm_epsilon)
        self.tokens_bias = trained(weights, "classifier.tokens_bias")
        self.alignment = Linear(weights, "classifier.alignment") if arch.visual else None
        self.matching = Linear(weights, "classifier.matching") if arch.visual else None

    def __call__(self, features: tf.Tensor, inputs: Inputs, token: Embedding) -> Found:
        """Features of the text's tokens (N, T, H) to logits."""
        masked = tf.gather(features, inputs.positions, batch_dims=1)
        hidden = self.norm(text_ops.gelu(self.transform(masked)))
        logits = tf.matmul(hidden, tf.cast(token.weight, hidden.dtype), transpose_b=True) + tf.cast(
            self.tokens_bias, hidden.dtype
        )
        if self.alignment is None or self.matching is None:
            none = tf.zeros([features.shape[0], 1, 2], features.dtype)
            return Found(logits, tf.zeros([*features.shape[:2], 2], features.dtype), none)
        return Found(logits, self.alignment(features), self.matching(features[:, :1]))


class SpanScores(tf.Module):
    """Scores of each token as the first and as the last of an answer, which are compared among tokens alone."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weight = trained(weights, "classifier.weight")

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """(N, T, H) to (N, T, 2)."""
        rows = tf.matmul(tf.reshape(x, [-1, x.shape[-1]]), tf.cast(self.weight, x.dtype))
        return tf.reshape(rows, [*x.shape[:-1], rows.shape[-1]])


class LayoutLMv2(tf.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embeddings = Embeddings(weights, arch)
        self.visual = Visual(weights, arch) if arch.visual else None
        self.attention_bias = AttentionBias(weights, arch) if arch.spatial_attention else None
        self.layers = [
            Layer(
                weights, f"layers.{index}", arch.num_heads, arch.norm_epsilon,
                (layer_place(index, 0), layer_place(index, 1)), arch.hidden_dropout, arch.fused_projections,
            )
            for index in range(arch.num_layers)
        ]  # fmt: skip
        if arch.head == "hidden":
            self.classifier = PretrainingHead(weights, arch)
        elif arch.head == "span":
            self.classifier = SpanScores(weights)
        else:
            self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The parameters by canonical name."""
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Pages to features (N, 3 H; without an image N, H; of each token N, T, H), in the precision of the inputs'
        bias.

        Of the last layer [CLS] and the visual tokens are read, or the text, so only their part is computed.
        """
        num_text = inputs.tokens.shape[1]
        x, visual = self.embeddings(inputs), None
        if drops is not None:
            x = drops.drop(x, TEXT_PLACE, self.arch.hidden_dropout)
        if self.visual is not None:
            visual = self.visual(inputs.images, self.embeddings)
            if drops is not None:
                visual = drops.drop(visual, VISUAL_PLACE, self.arch.hidden_dropout)
            x = tf.concat([x, visual], 1)
        bias = self.bias(inputs)
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, x, bias, drops)
        if self.arch.head != "document":
            return last(x, x[:, :num_text], bias[:, :, :num_text], drops)
        readers = tf.concat([x[:, :1], x[:, num_text:]], 1)
        if bias.shape[2] > 1:
            bias = tf.concat([bias[:, :, :1], bias[:, :, num_text:]], 2)
        x = last(x, readers, bias, drops)
        if visual is None:
            return x[:, 0]
        return tf.concat([x[:, 0], tf.reduce_mean(visual, 1), tf.reduce_mean(x[:, 1:], 1)], -1)

    def bias(self, inputs: Inputs) -> tf.Tensor:
        """What is added to the scores of every layer: (N, A, L, L), or (N, 1, 1, L) of padding alone."""
        if self.attention_bias is None:
            return inputs.bias
        boxes, positions = inputs.boxes, tf.range(inputs.tokens.shape[1])
        if self.visual is not None:
            ours = tf.constant(self.visual.boxes)
            boxes = tf.concat([boxes, tf.broadcast_to(ours, [boxes.shape[0], *ours.shape])], 1)
            positions = tf.concat([positions, tf.range(ours.shape[0])], 0)  # they begin again
        return self.attention_bias(positions, boxes, inputs.bias.dtype) + inputs.bias

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, 3 H) to logits (N, K); of each token (N, T, H) to (N, T, K)."""
        if drops is not None:
            tokens = features if features.shape.rank == 3 else features[:, None]
            dropped = drops.drop(tokens, self.arch.classifier_place, self.arch.classifier_dropout)
            features = tf.reshape(dropped, features.shape)
        assert not isinstance(self.classifier, PretrainingHead), "which reads more than features"
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor | Found:
        """Pages to logits (N, K), or (N, T, K), or of pre-training."""
        features = self.features(inputs, drops, training)
        if self.arch.head == "hidden":
            return self.classifier(features, inputs, self.embeddings.token)
        return self.classify(features, drops)
