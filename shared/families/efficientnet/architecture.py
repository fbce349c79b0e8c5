"""The EfficientNet family as data: one table of blocks, one set of rounding rules, one list of parameters.

Both wings build their network from `architecture` and take their tensors from a mapping keyed by the names of
`parameter_shapes`, so neither can differ in structure without failing to load.

Source: Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019, table 1
(the B0 baseline) and section 3.3 (compound scaling); the rounding rules and the drop-connect ramp are those of the
authors' release, which `keras.applications` and `transformers` share (the tests hold us to both).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
SQUEEZE_RATIO = 0.25  # of a block's input channels, not of its expanded ones
CHANNEL_DIVISOR = 8
RELEASED_EPSILON = 1e-3  # of the batch norms of the authors' checkpoints
RELEASED_MOMENTUM = 0.99

# kernel, stride, expansion, input channels, output channels, repeats (B0, table 1)
B0_STAGES = (
    (3, 1, 1, 32, 16, 1),
    (3, 2, 6, 16, 24, 2),
    (5, 2, 6, 24, 40, 2),
    (3, 2, 6, 40, 80, 3),
    (5, 1, 6, 80, 112, 3),
    (5, 2, 6, 112, 192, 4),
    (3, 1, 6, 192, 320, 1),
)

# width multiplier, depth multiplier, dropout before the classifier, the resolution it was published at
SCALING = {
    "b0": (1.0, 1.0, 0.2, 224),
    "b1": (1.0, 1.1, 0.2, 240),
    "b2": (1.1, 1.2, 0.3, 260),
    "b3": (1.2, 1.4, 0.3, 300),
    "b4": (1.4, 1.8, 0.4, 380),
    "b5": (1.6, 2.2, 0.4, 456),
    "b6": (1.8, 2.6, 0.5, 528),
    "b7": (2.0, 3.1, 0.5, 600),
}
VARIANTS = tuple(SCALING)

# the tensors of a batch norm; the last two are statistics: saved with the weights, never trained
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Block:
    """One mobile inverted bottleneck (MBConv) with squeeze-and-excitation."""

    kernel: int
    stride: int
    channels_in: int
    channels_expanded: int
    channels_squeezed: int
    channels_out: int
    drop_rate: float  # stochastic depth: the chance that a sample skips this block's branch

    @property
    def expands(self) -> bool:
        return self.channels_expanded != self.channels_in

    @property
    def residual(self) -> bool:
        return self.stride == 1 and self.channels_in == self.channels_out


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    stem_channels: int
    blocks: tuple[Block, ...]
    head_channels: int
    num_classes: int
    dropout: float
    norm_momentum: float  # share of the running statistics that a step of training keeps
    norm_epsilon: float
    fixed_statistics: bool  # training too norms with the running statistics, which then do not move


def round_channels(channels: int, width: float) -> int:
    """Scale a channel count and round it to a multiple of 8, never below 90 % of the scaled value.

    >>> round_channels(32, 1.0), round_channels(32, 1.1), round_channels(1280, 1.4)
    (32, 32, 1792)
    """
    scaled = channels * width
    rounded = max(CHANNEL_DIVISOR, int(scaled + CHANNEL_DIVISOR / 2) // CHANNEL_DIVISOR * CHANNEL_DIVISOR)
    return rounded + CHANNEL_DIVISOR if rounded < 0.9 * scaled else rounded


def round_repeats(repeats: int, depth: float) -> int:
    """Scale a stage's number of blocks, rounding up.

    >>> round_repeats(4, 1.8)
    8
    """
    return math.ceil(depth * repeats)


def architecture(
    variant: str,
    num_classes: int,
    dropout: float | None = None,
    drop_connect: float = 0.2,
    norm_momentum: float = RELEASED_MOMENTUM,
    norm_epsilon: float = RELEASED_EPSILON,
    fixed_statistics: bool = False,
) -> Architecture:
    """Build the block list of a variant.

    Args:
        variant: "b0" to "b7".
        num_classes: width of the classifier.
        dropout: rate before the classifier; None takes the variant's published one.
        drop_connect: stochastic-depth rate that the last block would reach; block i of N drops at `i / N` of it.
        norm_momentum, norm_epsilon, fixed_statistics: of the batch norms, see `Architecture`.

    Raises:
        ValueError: an unknown variant.
    """
    if variant not in SCALING:
        raise ValueError(f"unknown EfficientNet variant {variant!r}; known: {', '.join(VARIANTS)}")
    width, depth, published_dropout, _ = SCALING[variant]
    plan: list[tuple[int, int, int, int, int]] = []
    for kernel, stride, expansion, channels_in, channels_out, repeats in B0_STAGES:
        scaled_in, scaled_out = round_channels(channels_in, width), round_channels(channels_out, width)
        plan.append((kernel, stride, expansion, scaled_in, scaled_out))
        plan += [(kernel, 1, expansion, scaled_out, scaled_out)] * (round_repeats(repeats, depth) - 1)
    blocks = tuple(
        Block(
            kernel=kernel,
            stride=stride,
            channels_in=channels_in,
            channels_expanded=channels_in * expansion,
            channels_squeezed=max(1, int(channels_in * SQUEEZE_RATIO)),
            channels_out=channels_out,
            drop_rate=drop_connect * index / len(plan),
        )
        for index, (kernel, stride, expansion, channels_in, channels_out) in enumerate(plan)
    )
    return Architecture(
        stem_channels=round_channels(STEM_CHANNELS, width),
        blocks=blocks,
        head_channels=round_channels(HEAD_CHANNELS, width),
        num_classes=num_classes,
        dropout=published_dropout if dropout is None else dropout,
        norm_momentum=norm_momentum,
        norm_epsilon=norm_epsilon,
        fixed_statistics=fixed_statistics,
    )


def parameter_shapes(arch: Architecture) -> dict[str, tuple[int, ...]]:
    """Canonical name of every tensor (statistics included) to its shape, in forward order.

    Convolutions are (out, in/groups, height, width); the squeeze layers and the classifier are (out, in).
    """
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, out: int, channels_in: int, kernel: int) -> None:
        shapes[f"{name}.conv.weight"] = (out, channels_in, kernel, kernel)
        shapes.update({f"{name}.norm.{tensor}": (out,) for tensor in NORM_TENSORS})

    def linear(name: str, out: int, channels_in: int) -> None:
        shapes[f"{name}.weight"] = (out, channels_in)
        shapes[f"{name}.bias"] = (out,)

    convolution("stem", arch.stem_channels, 3, 3)
    for index, block in enumerate(arch.blocks):
        name = f"blocks.{index}"
        if block.expands:
            convolution(f"{name}.expand", block.channels_expanded, block.channels_in, 1)
        convolution(f"{name}.depthwise", block.channels_expanded, 1, block.kernel)
        linear(f"{name}.squeeze", block.channels_squeezed, block.channels_expanded)
        linear(f"{name}.excite", block.channels_expanded, block.channels_squeezed)
        convolution(f"{name}.project", block.channels_out, block.channels_expanded, 1)
    convolution("head", arch.head_channels, arch.blocks[-1].channels_out, 1)
    linear("classifier", arch.num_classes, arch.head_channels)
    return shapes


def is_statistic(name: str) -> bool:
    """Whether a canonical name is a batch-norm statistic (saved, not trained)."""
    return name.rsplit(".", 1)[-1] in STATISTICS
