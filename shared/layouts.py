"""TensorFlow's layout of a weight against the canonical one, which is PyTorch's."""

from __future__ import annotations

import numpy as np


def to_hwio(name: str, value: np.ndarray) -> np.ndarray:
    """A tensor of ours in TensorFlow's layout: (H, W, in, out), depthwise (H, W, channels, 1), over time (W, in, out),
    linear (in, out)."""
    if value.ndim == 4:
        return value.transpose(2, 3, 0, 1) if ".depthwise." in name else value.transpose(2, 3, 1, 0)
    return value.T if is_linear(name, value) or is_over_time(name, value) else value


def is_linear(name: str, value: np.ndarray) -> bool:
    """Whether a tensor is the matrix of a linear layer; an embedding's has one row an entry in both layouts."""
    return value.ndim == 2 and not name.startswith(("embeddings.", "embedding."))


def is_over_time(name: str, value: np.ndarray) -> bool:
    """Whether a tensor is the weight of a convolution over time: (out, in, W) in PyTorch."""
    return value.ndim == 3 and name.startswith("convolutions.")


def from_hwio(name: str, value: np.ndarray) -> np.ndarray:
    """The inverse of `to_hwio`."""
    if value.ndim == 4:
        return value.transpose(2, 3, 0, 1) if ".depthwise." in name else value.transpose(3, 2, 0, 1)
    return value.T if is_linear(name, value) or is_over_time(name, value) else value
