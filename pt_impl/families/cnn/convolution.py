"""Convolutions over time and their maxima. Mirror: `tf_impl/families/cnn/convolution.py`.

Legend: N texts, T words, D features of a word, K words that a filter sees, C filters, L = T + K - 1 places of a filter,
W windows of the maximum, M places of the longest window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.layers import Weights
from shared.families.cnn.architecture import longest_window, num_places


class Convolution(nn.Module):
    """Filters of one kernel size over the words of a text, with K - 1 words of padding on both sides."""

    def __init__(self, weights: Weights, name: str, kernel_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights[f"{name}.weight"]))
        self.bias = nn.Parameter(torch.tensor(weights[f"{name}.bias"]))
        self.kernel_size = kernel_size

    def forward(self, x: Tensor) -> Tensor:
        """Words (N, T, D) to (N, L, C)."""
        weight, bias = self.tensors(x.dtype)
        return convolve(x, weight, bias)

    def tensors(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight (C, D, K) and bias (C) in a precision."""
        return self.weight.to(dtype), self.bias.to(dtype)

    def maxima(self, x: Tensor, lengths: Tensor, num_windows: int) -> Tensor:
        """Words (N, T, D) to the maxima of each filter over the windows of each text (N, C x W)."""
        first, end = window_bounds(num_places(lengths, self.kernel_size), num_windows)
        return maxima(self(x), first, end).transpose(1, 2).flatten(1)


def convolve(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x (N, T, D), weight (C, D, K), bias (C) to (N, L, C).

    As images that are one pixel high, features last as they lie in memory: on CPU a batch of KimCNN's takes 53 ms so,
    63 ms by conv1d, which wants features first, and 93 ms as a product with what each filter sees (one thread, both
    passes, 32 texts of 128 words, static vectors; `python -m tests.text_convolution_speed`).
    """
    images = x.transpose(1, 2)[:, :, None]  # N x D x 1 x T
    filters = weight[:, :, None].contiguous(memory_format=torch.channels_last)
    return F.conv2d(images, filters, bias, padding=(0, weight.shape[2] - 1))[:, :, 0].transpose(1, 2)


def window_bounds(places: Tensor, num_windows: int) -> tuple[Tensor, Tensor]:
    """The first place of each window and the one behind its last (N, W each), see
    `shared.families.cnn.architecture.longest_window`.

    Args:
        places: (N), those that see a word of the text.
    """
    index = torch.arange(num_windows, device=places.device)
    whole = places[:, None]
    return index * whole // num_windows, ((index + 1) * whole + num_windows - 1) // num_windows


def maxima(x: Tensor, first: Tensor, end: Tensor) -> Tensor:
    """The maximum of each filter over each window: x (N, L, C), bounds (N, W) to (N, W, C).

    Equal maxima share the gradient, as TensorFlow's do; the pooling operators would give it to the first.
    """
    num_places, num_windows = x.shape[1], first.shape[1]
    if num_windows == 1:
        behind = torch.arange(num_places, device=x.device) >= end
        return x.masked_fill(behind[..., None], float("-inf")).amax(1, keepdim=True)
    # a window that is shorter than the longest one has its last place again
    steps = torch.arange(longest_window(num_places, num_windows), device=x.device)
    place = torch.minimum(first[..., None] + steps, end[..., None] - 1).flatten(1)  # N x (W M)
    row = place + num_places * torch.arange(len(x), device=x.device)[:, None]
    picked = F.embedding(row, x.flatten(0, 1))  # N x (W M) x C
    return picked.unflatten(1, (num_windows, -1)).amax(2)
