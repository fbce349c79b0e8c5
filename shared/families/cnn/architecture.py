"""Convolutions over words as data: their sizes, their parameters by canonical name, what is dropped where.

Sources: Kim, "Convolutional Neural Networks for Sentence Classification", EMNLP 2014 (`kim`: the maximum of each filter
over the text); Liu, Chang, Wu, Yang, "Deep Learning for Extreme Multi-label Text Classification", SIGIR 2017 (`xml`:
the maxima of each filter over windows of the text, and a bottleneck).

Legend: C filters of a kernel size, K words that a filter sees, W windows, T words of a text.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.family import Shapes
from shared.word_weights import vector_shapes

DROPOUT_PLACE, NUM_PLACES = 0, 1  # before the classifier


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the network's structure."""

    kernel_sizes: tuple[int, ...]
    num_filters: int
    num_windows: int  # 1: one maximum of the whole text
    bottleneck_size: int  # 0: there is none
    vocabulary_size: int
    vector_size: int
    static_vectors: bool
    num_classes: int
    dropout: float

    @property
    def num_maxima(self) -> int:
        """Maxima of a text, over all filters and windows."""
        return len(self.kernel_sizes) * self.num_filters * self.num_windows

    @property
    def num_features(self) -> int:
        """What the classifier reads."""
        return self.bottleneck_size or self.num_maxima

    @property
    def drop_rates(self) -> dict[int, float]:
        """The places where something is dropped to their rates."""
        return {DROPOUT_PLACE: self.dropout} if self.dropout else {}


def parameter_shapes(arch: Architecture) -> Shapes:
    """Canonical name of every tensor to its shape, in forward order; convolutions are (C, D, K), linear (out, in).

    The maxima that a layer reads are in the order kernel size, filter, window, the last of them fastest.
    """
    shapes = vector_shapes(arch.vocabulary_size, arch.vector_size, arch.static_vectors)
    for kernel_size in arch.kernel_sizes:
        shapes[f"convolutions.{kernel_size}.weight"] = (arch.num_filters, arch.vector_size, kernel_size)
        shapes[f"convolutions.{kernel_size}.bias"] = (arch.num_filters,)
    if arch.bottleneck_size:
        shapes["bottleneck.weight"] = (arch.bottleneck_size, arch.num_maxima)
        shapes["bottleneck.bias"] = (arch.bottleneck_size,)
    shapes["classifier.weight"] = (arch.num_classes, arch.num_features)
    shapes["classifier.bias"] = (arch.num_classes,)
    return shapes


def num_places(num_words: int, kernel_size: int) -> int:
    """Places of a filter that see a word of a text: there are kernel_size - 1 words of padding on both sides.

    >>> num_places(10, 3), num_places(1, 5)
    (12, 5)
    """
    return num_words + kernel_size - 1


def longest_window(places: int, num_windows: int) -> int:
    """A bound of the places that a window of the maximum can have, of so many or fewer places of a text.

    Window i of W covers the places floor(i L / W) .. ceil((i + 1) L / W), the end not included, of the L places of
    that text: what PyTorch's AdaptiveMaxPool1d does with a batch of one text. Windows of the batch's width, which the
    code that Adhikari et al. released takes, would have a text's outcome depend on the texts beside it.

    >>> longest_window(9, 8), longest_window(8, 8), longest_window(3, 8)
    (3, 2, 2)
    """
    return -(-places // num_windows) + 1
