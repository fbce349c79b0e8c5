"""LayoutLMv2 as data: its sizes, its tensors by canonical name, what is dropped where, its tables of whole numbers.

Sources: Xu et al., "LayoutLMv2: Multi-modal Pre-training for Visually-rich Document Understanding" (ACL 2021), section
2.1, below [paper]; where its text and the released code differ, the code, whose checkpoints fix it: text stands before
the visual tokens, and a box's vertical position is that of its bottom edge.

Legend: N documents, T text tokens, V visual tokens, L = T + V, H features, A heads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from shared.task import Head
from shared.words import BOX_SCALE

INITIAL_DEVIATION = 0.02  # of every weight outside the backbone, as in the authors' release
NUM_SEGMENTS = 2
TEXT_PLACE, VISUAL_PLACE = 0, 1  # of dropout
FIRST_LAYER_PLACE = 2
NORM_EPSILON = 1e-5  # of the backbone's norms
REACH = BOX_SCALE  # the largest distance between coordinates, and more than there are positions


@dataclass(frozen=True)
class Backbone:
    """ResNeXt with a feature pyramid (Xie et al., 2017; Lin et al., 2017), of which the finest level is read."""

    blocks: tuple[int, ...]  # of each of four stages
    groups: int
    group_width: int  # channels of a group in the first stage; doubles with every stage
    stem_channels: int
    stage_channels: int  # that come out of the first stage; doubles with every stage
    pyramid_channels: int
    frozen: int  # parts that are not trained: 1 the stem, 2 the first stage too, and so on (detectron2's FREEZE_AT)


@dataclass(frozen=True)
class Block:
    """A bottleneck: 1x1, grouped 3x3 with the stride, 1x1, and a way around."""

    channels_in: int
    middle: int
    channels_out: int
    stride: int
    trained: bool

    @property
    def has_shortcut(self) -> bool:
        """Whether the way around is a convolution: where the shape changes."""
        return self.channels_in != self.channels_out or self.stride != 1


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    num_layers: int
    hidden_size: int
    num_heads: int
    intermediate_size: int
    max_positions: int
    vocabulary_size: int
    num_classes: int
    norm_epsilon: float
    hidden_dropout: float
    classifier_dropout: float
    coordinate_size: int  # features of one of a box's four edges
    shape_size: int  # of its width and of its height
    fused_projections: bool  # queries, keys and values by one product, keys without a bias
    layout: str  # what is made of a box: "none", "summed" (as in LayoutLM), "concatenated"
    head: Head  # what is classified
    visual: bool  # whether the page's image is read
    spatial_attention: bool  # whether attention has biases by distance, in the text and on the page
    distance_bins: int
    farthest: int
    spatial_bins: int
    spatial_farthest: int
    pool: int  # visual tokens, across and down
    backbone: Backbone

    @property
    def num_visual(self) -> int:
        """V, 0 where no image is read."""
        return self.pool**2 if self.visual else 0

    @property
    def num_features(self) -> int:
        """What the classifier reads: a token; of a whole page [CLS], and of an image the mean of its tokens before and
        behind the layers."""
        return self.hidden_size * (3 if self.visual and self.head == "document" else 1)

    @property
    def segments(self) -> bool:
        """Whether the text has two segments: a question, and the page."""
        return self.head == "span"

    @property
    def classifier_place(self) -> int:
        """The place of dropout before the classifier, which is the last."""
        return layer_place(self.num_layers, 0)

    @property
    def num_places(self) -> int:
        """Places where features are dropped, numbered whatever is read and whatever the rates."""
        return self.classifier_place + 1

    @property
    def drop_rates(self) -> dict[int, float]:
        """The places where something is dropped, in forward order, to their rates."""
        places = [place for place in range(self.classifier_place) if self.visual or place != VISUAL_PLACE]
        rates = dict.fromkeys(places, self.hidden_dropout)
        if self.head != "hidden":
            rates[self.classifier_place] = self.classifier_dropout
        return {place: rate for place, rate in rates.items() if rate}


def layer_place(index: int, half: int) -> int:
    """The place of dropout behind a layer's attention (half 0) or feed-forward network (half 1)."""
    return FIRST_LAYER_PLACE + 2 * index + half


def shape_at(arch: Architecture, place: int, num_text: int) -> tuple[int, int]:
    """Tokens and features of which some are dropped at a place; the last layer computes what the classifier reads
    alone."""
    if place == TEXT_PLACE:
        return num_text, arch.hidden_size
    if place == VISUAL_PLACE:
        return arch.num_visual, arch.hidden_size
    if place == arch.classifier_place:
        return 1 if arch.head == "document" else num_text, arch.num_features
    if place < layer_place(arch.num_layers - 1, 0):
        return num_text + arch.num_visual, arch.hidden_size
    return arch.num_visual + 1 if arch.head == "document" else num_text, arch.hidden_size


def stages(backbone: Backbone) -> list[list[Block]]:
    """The blocks of every stage; the first of a stage but the first one halves the map."""
    found, channels = [], backbone.stem_channels
    for stage, num_blocks in enumerate(backbone.blocks):
        middle, out = backbone.groups * backbone.group_width << stage, backbone.stage_channels << stage
        blocks = []
        for index in range(num_blocks):
            stride = 2 if index == 0 and stage > 0 else 1
            blocks.append(Block(channels, middle, out, stride, is_trained_stage(backbone, stage)))
            channels = out
        found.append(blocks)
    return found


def parameter_shapes(arch: Architecture) -> dict[str, tuple[int, ...]]:
    """Canonical name of every tensor to its shape, in forward order; linear weights are (out, in)."""
    return dict(_shapes(arch))


def _shapes(arch: Architecture) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = arch.hidden_size, arch.intermediate_size
    yield "embeddings.token.weight", (arch.vocabulary_size, hidden)
    yield "embeddings.position.weight", (arch.max_positions, hidden)
    yield "embeddings.segment.weight", (NUM_SEGMENTS, hidden)
    widths = {"summed": (hidden, hidden), "concatenated": (arch.coordinate_size, arch.shape_size)}.get(arch.layout)
    if widths is not None:
        for name, width in zip(("x", "y", "height", "width"), (*widths[:1] * 2, *widths[1:] * 2), strict=True):
            yield f"embeddings.{name}.weight", (BOX_SCALE + BOX_SPARE, width)
    yield from _norm("embeddings.norm", hidden)
    if arch.visual:
        yield from _backbone(arch.backbone)
        yield from _linear("visual.projection", hidden, arch.backbone.pyramid_channels)
        yield from _norm("visual.norm", hidden)
    if arch.spatial_attention:
        yield "attention_bias.distance.weight", (arch.num_heads, arch.distance_bins)
        yield "attention_bias.x.weight", (arch.num_heads, arch.spatial_bins)
        yield "attention_bias.y.weight", (arch.num_heads, arch.spatial_bins)
    for index in range(arch.num_layers):
        name = f"layers.{index}"
        if arch.fused_projections:
            yield f"{name}.projections.weight", (3 * hidden, hidden)
            yield f"{name}.projections.query_bias", (hidden,)
            yield f"{name}.projections.value_bias", (hidden,)
        else:
            for projection in ("query", "key", "value"):
                yield from _linear(f"{name}.{projection}", hidden, hidden)
        yield from _linear(f"{name}.output", hidden, hidden)
        yield from _norm(f"{name}.attention_norm", hidden)
        yield from _linear(f"{name}.up", inner, hidden)
        yield from _linear(f"{name}.down", hidden, inner)
        yield from _norm(f"{name}.output_norm", hidden)
    if arch.head == "span":  # without a bias, which a softmax over tokens takes out again
        yield "classifier.weight", (arch.num_classes, arch.num_features)
        return
    if arch.head != "hidden":
        yield from _linear("classifier", arch.num_classes, arch.num_features)
        return
    yield from _linear("classifier.transform", hidden, hidden)
    yield from _norm("classifier.norm", hidden)
    yield "classifier.tokens_bias", (arch.vocabulary_size,)  # its weight is that of the token vectors
    if arch.visual:
        yield from _linear("classifier.alignment", 2, hidden)
        yield from _linear("classifier.matching", 2, hidden)


BOX_SPARE = 24  # rows of the tables of coordinates beyond BOX_SCALE, which nothing reads: 1024 in the release


def _linear(name: str, out: int, features_in: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (out, features_in)
    yield f"{name}.bias", (out,)


def _norm(name: str, features: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (features,)
    yield f"{name}.bias", (features,)


def _convolution(name: str, out: int, channels_in: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A convolution without bias and the frozen norm behind it."""
    yield f"{name}.weight", (out, channels_in, kernel, kernel)
    for tensor in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.norm.{tensor}", (out,)


def _backbone(backbone: Backbone) -> Iterator[tuple[str, tuple[int, ...]]]:
    name = "visual.backbone"
    yield from _convolution(f"{name}.stem", backbone.stem_channels, 3, 7)
    for stage, blocks in enumerate(stages(backbone)):
        for index, block in enumerate(blocks):
            here = f"{name}.stages.{stage}.{index}"
            if block.has_shortcut:
                yield from _convolution(f"{here}.shortcut", block.channels_out, block.channels_in, 1)
            yield from _convolution(f"{here}.reduce", block.middle, block.channels_in, 1)
            yield from _convolution(f"{here}.grouped", block.middle, block.middle // backbone.groups, 3)
            yield from _convolution(f"{here}.expand", block.channels_out, block.middle, 1)
    for stage in reversed(range(len(backbone.blocks))):
        yield f"{name}.laterals.{stage}.weight", (
            backbone.pyramid_channels, backbone.stage_channels << stage, 1, 1,
        )  # fmt: skip
        yield f"{name}.laterals.{stage}.bias", (backbone.pyramid_channels,)
    yield f"{name}.finest.weight", (backbone.pyramid_channels, backbone.pyramid_channels, 3, 3)
    yield f"{name}.finest.bias", (backbone.pyramid_channels,)


def is_statistic(name: str) -> bool:
    """Whether a tensor is of the backbone's norms, which are constants."""
    return name.startswith("visual.backbone.") and ".norm." in name


def is_trained_stage(backbone: Backbone, stage: int) -> bool:
    """Whether a stage of the backbone is trained; -1: the stem."""
    return backbone.frozen < stage + 2


def is_trained(arch: Architecture, name: str) -> bool:
    """Whether a tensor is trained: all but the backbone's norms and the parts of it that are frozen."""
    if is_statistic(name):
        return False
    parts = name.split(".")
    if parts[:2] != ["visual", "backbone"] or parts[2] not in ("stem", "stages"):
        return True
    return is_trained_stage(arch.backbone, int(parts[3]) if parts[2] == "stages" else -1)


def folded(weights: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """A frozen norm as the factor and the summand of each channel, in the weights' precision."""
    weight, bias, mean, variance = (
        weights[f"{name}.norm.{tensor}"] for tensor in ("weight", "bias", "running_mean", "running_var")
    )
    factor = weight / np.sqrt(variance + variance.dtype.type(NORM_EPSILON))
    return factor, bias - mean * factor


def visual_boxes(pool: int) -> np.ndarray:
    """The boxes of the visual tokens, row by row: int32, V x 4.

    >>> visual_boxes(7)[[0, 8, 48]].tolist()
    [[0, 0, 142, 142], [142, 142, 285, 285], [857, 857, 1000, 1000]]
    """
    edges = np.arange(pool + 1) * BOX_SCALE // pool
    left, top = (each.ravel() for each in np.meshgrid(edges[:-1], edges[:-1]))
    right, bottom = (each.ravel() for each in np.meshgrid(edges[1:], edges[1:]))
    return np.stack([left, top, right, bottom], 1).astype(np.int32)


def buckets(bins: int, farthest: int) -> np.ndarray:
    """The bin of every distance from -REACH to REACH (int32, 2 REACH + 1): whole numbers made once, here, so that no
    device's logarithm decides one.

    Half of the bins are for either sign; half of those are a distance each, the others grow with its logarithm up to
    the farthest (Raffel et al., "Exploring the limits of transfer learning", 2020, section 2.1, as the release has it).

    >>> buckets(32, 128)[[REACH - 128, REACH - 8, REACH, REACH + 1, REACH + 7, REACH + 128]].tolist()
    [15, 8, 0, 17, 23, 31]
    """
    distance = np.arange(-REACH, REACH + 1)
    half, near = bins // 2, bins // 4
    size = np.maximum(np.abs(distance), 1).astype(np.float32)
    log = np.log(size / np.float32(near)) / np.float32(math.log(farthest / near)) * np.float32(half - near)
    far = np.minimum(near + np.maximum(log, 0).astype(np.int64), half - 1)
    return ((distance > 0) * half + np.where(np.abs(distance) < near, np.abs(distance), far)).astype(np.int32)
