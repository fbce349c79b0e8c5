"""LayoutLMv2 in PyTorch. Mirror: `tf_impl/families/layoutlmv2/network.py`.

Legend: N pages, T text tokens, V visual tokens, L = T + V, H features, A heads, K classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl import text_ops
from pt_impl.dropout import Dropout
from pt_impl.families.layoutlmv2.backbone import ResNeXtPyramid
from pt_impl.families.layoutlmv2.inputs import Inputs
from pt_impl.layers import Linear, Weights
from pt_impl.transformer import Embedding, Layer, LayerNorm
from shared.families.layoutlmv2.architecture import (
    REACH,
    TEXT_PLACE,
    VISUAL_PLACE,
    Architecture,
    buckets,
    layer_place,
    visual_boxes,
)


class Embeddings(nn.Module):
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

    def forward(self, inputs: Inputs) -> Tensor:
        """The text of pages to (N, T, H)."""
        tokens = inputs.tokens
        segment = (
            self.segment.weight[0] if inputs.segments is None else F.embedding(inputs.segments, self.segment.weight)
        )
        position = self.position.weight[: tokens.shape[1]] + segment
        total = F.embedding(tokens, self.token.weight) + position
        return self.norm(self.placed(total, inputs.boxes).to(inputs.bias.dtype))

    def placed(self, x: Tensor, boxes: Tensor) -> Tensor:
        """Features (..., H) with what their boxes (..., 4) add to them."""
        return x if self.sides == "none" else x + self.layout(boxes)

    def layout(self, boxes: Tensor) -> Tensor:
        """Boxes (..., 4) to (..., H): their edges, their height and their width."""
        across = F.embedding(boxes[..., 0::2], self.x.weight)  # (..., 2, C), left and right
        down = F.embedding(boxes[..., 1::2], self.y.weight)
        height = F.embedding(boxes[..., 3] - boxes[..., 1], self.height.weight)
        width = F.embedding(boxes[..., 2] - boxes[..., 0], self.width.weight)
        if self.sides == "summed":
            return across.sum(-2) + down.sum(-2) + height + width
        return torch.cat([across[..., 0, :], down[..., 0, :], across[..., 1, :], down[..., 1, :], height, width], -1)


class Visual(nn.Module):
    """The page's image as tokens."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.backbone = ResNeXtPyramid(weights, "visual.backbone", arch.backbone)
        self.projection = Linear(weights, "visual.projection")
        self.norm = LayerNorm(weights, "visual.norm", arch.norm_epsilon)
        self.pool = arch.pool
        self.register_buffer("boxes", torch.from_numpy(visual_boxes(arch.pool)), persistent=False)

    def forward(self, images: Tensor, embeddings: Embeddings) -> Tensor:
        """(N, 3, S, S) to (N, V, H); positions and places are of the text's tables."""
        level = self.backbone(images)
        patches = F.avg_pool2d(level, level.shape[-1] // self.pool).flatten(2).transpose(1, 2)
        place = embeddings.placed(embeddings.position.weight[: self.pool**2], self.boxes)
        return self.norm(self.projection(patches) + place.to(patches.dtype))


class AttentionBias(nn.Module):
    """What attention adds to its scores by how far apart two tokens are: in the text, across and down the page."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.distance = Embedding(weights, "attention_bias.distance")
        self.x = Embedding(weights, "attention_bias.x")
        self.y = Embedding(weights, "attention_bias.y")
        for name, bins in (
            ("bins", buckets(arch.distance_bins, arch.farthest)),
            ("spatial_bins", buckets(arch.spatial_bins, arch.spatial_farthest)),
        ):
            self.register_buffer(name, torch.from_numpy(bins), persistent=False)

    def forward(self, positions: Tensor, boxes: Tensor, dtype: torch.dtype) -> Tensor:
        """Positions (L) and boxes (N, L, 4) to (N, A, L, L); of a box count its left and its bottom edge."""
        total = (
            self.looked_up(self.distance, self.bins, positions)
            + self.looked_up(self.x, self.spatial_bins, boxes[..., 0])
            + self.looked_up(self.y, self.spatial_bins, boxes[..., 3])
        )
        return total.to(dtype).permute(0, 3, 1, 2)

    @staticmethod
    def looked_up(table: Embedding, bins: Tensor, places: Tensor) -> Tensor:
        """Places (..., L) to (..., L, L, A): the bias between each token and those that it attends to."""
        apart = places[..., None, :] - places[..., :, None]
        # an embedding: the gradient of an indexed transpose is twenty times as slow
        return F.embedding(bins[apart + REACH], table.weight.t())


class Found(NamedTuple):
    """What pre-training finds of what was hidden; logits."""

    tokens: Tensor  # N x P x V, of the masked ones
    alignment: Tensor  # N x T x 2: whether its line is covered on the image
    matching: Tensor  # N x 1 x 2: whether the image is the page's


class PretrainingHead(nn.Module):
    """The three heads of pre-training. Masked tokens are told by the token vectors themselves, as in BERT."""

    def __init__(self, weights: Weights, arch: Architecture) -> None:
        super().__init__()
        self.transform = Linear(weights, "classifier.transform")
        self.norm = LayerNorm(weights, "classifier.norm", arch.norm_epsilon)
        self.tokens_bias = nn.Parameter(torch.tensor(weights["classifier.tokens_bias"]))
        self.alignment = Linear(weights, "classifier.alignment") if arch.visual else None
        self.matching = Linear(weights, "classifier.matching") if arch.visual else None

    def forward(self, features: Tensor, inputs: Inputs, token: Embedding) -> Found:
        """Features of the text's tokens (N, T, H) to logits."""
        masked = features.gather(1, inputs.positions.long()[..., None].expand(-1, -1, features.shape[-1]))
        hidden = self.norm(text_ops.gelu(self.transform(masked)))
        logits = F.linear(hidden, token.weight.to(hidden.dtype), self.tokens_bias.to(hidden.dtype))
        if self.alignment is None or self.matching is None:
            none = features.new_zeros((len(features), 1, 2))
            return Found(logits, features.new_zeros((*features.shape[:2], 2)), none)
        return Found(logits, self.alignment(features), self.matching(features[:, :1]))


class SpanScores(nn.Module):
    """Scores of each token as the first and as the last of an answer, which are compared among tokens alone."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights["classifier.weight"]))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, H) to (N, T, 2)."""
        return F.linear(x, self.weight.to(x.dtype))


class LayoutLMv2(nn.Module):
    """The network of an architecture, from weights by canonical name."""

    def __init__(self, arch: Architecture, weights: Weights) -> None:
        super().__init__()
        self.arch = arch
        self.embeddings = Embeddings(weights, arch)
        self.visual = Visual(weights, arch) if arch.visual else None
        self.attention_bias = AttentionBias(weights, arch) if arch.spatial_attention else None
        self.layers = nn.ModuleList(
            Layer(
                weights, f"layers.{index}", arch.num_heads, arch.norm_epsilon,
                (layer_place(index, 0), layer_place(index, 1)), arch.hidden_dropout, arch.fused_projections,
            )
            for index in range(arch.num_layers)
        )  # fmt: skip
        if arch.head == "hidden":
            self.classifier = PretrainingHead(weights, arch)
        elif arch.head == "span":
            self.classifier = SpanScores(weights)
        else:
            self.classifier = Linear(weights, "classifier")

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The parameters by canonical name."""
        return dict(self.named_parameters())

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
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
            x = torch.cat([x, visual], 1)
        bias = self.bias(inputs)
        *lower, last = self.layers
        for layer in lower:
            x = layer(x, x, bias, drops)
        if self.arch.head != "document":
            return last(x, x[:, :num_text], bias[:, :, :num_text], drops)
        readers = torch.cat([x[:, :1], x[:, num_text:]], 1)
        if bias.shape[2] > 1:
            bias = torch.cat([bias[:, :, :1], bias[:, :, num_text:]], 2)
        x = last(x, readers, bias, drops)
        if visual is None:
            return x[:, 0]
        return torch.cat([x[:, 0], visual.mean(1), x[:, 1:].mean(1)], -1)

    def bias(self, inputs: Inputs) -> Tensor:
        """What is added to the scores of every layer: (N, A, L, L), or (N, 1, 1, L) of padding alone."""
        if self.attention_bias is None:
            return inputs.bias
        boxes, positions = inputs.boxes, torch.arange(inputs.tokens.shape[1], device=inputs.tokens.device)
        if self.visual is not None:
            ours = self.visual.boxes
            boxes = torch.cat([boxes, ours.expand(len(boxes), -1, -1)], 1)
            positions = torch.cat([positions, torch.arange(len(ours), device=positions.device)])  # they begin again
        return self.attention_bias(positions, boxes, inputs.bias.dtype) + inputs.bias

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Features (N, 3 H) to logits (N, K); of each token (N, T, H) to (N, T, K)."""
        if drops is not None:
            tokens = features if features.ndim == 3 else features[:, None]
            dropped = drops.drop(tokens, self.arch.classifier_place, self.arch.classifier_dropout)
            features = dropped.view_as(features)
        assert not isinstance(self.classifier, PretrainingHead), "which reads more than features"
        return self.classifier(features)

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor | Found:
        """Pages to logits (N, K), or (N, T, K), or of pre-training."""
        features = self.features(inputs, drops, training)
        if self.arch.head == "hidden":
            return self.classifier(features, inputs, self.embeddings.token)
        return self.classify(features, drops)
