"""The padding of convolutions."""

from __future__ import annotations

import math


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same" rule along one axis: zeros before and after, the odd one after.

    It depends on the input size; at stride 2 on an even size it is asymmetric, which is the published rule of the
    convolutional networks here (both reference implementations pad so) and therefore ours.

    >>> same_padding(384, 3, 2), same_padding(384, 5, 2), same_padding(25, 3, 2), same_padding(24, 3, 1)
    ((0, 1), (1, 2), (1, 1), (1, 1))
    """
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2
