"""Pages to network input on the device: shear, normalise, grey to three channels. Mirror: `tf_impl/augment.py`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

WHITE = 255.0  # paper: what a shear uncovers


def network_input(
    pixels: Tensor, shear: Tensor | None, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> Tensor:
    """Grey pixels (N, H, W) uint8 to images (N, 3, H, W), channels-last, (value / 255 - mean) / std per channel.

    Args:
        shear: slope of each page (N), pixels per row; None leaves the pages as they are.
        dtype: of the images; the arithmetic before it is at least float32.
    """
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    ink = WHITE - pixels.to(exact)  # white is 0, so that zeros fill what a shear uncovers
    if shear is not None:
        ink = sheared(ink, shear.to(exact))
    scale, offset = _channels(tuple(mean), tuple(std), exact, pixels.device)
    return torch.addcmul(offset, ink[..., None], scale).to(dtype).permute(0, 3, 1, 2)


@lru_cache
def _channels(
    mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Scale and offset (1, 1, 3) of the normalisation, on the device from the first step on.

    Made in every step they would be a copy from the host's pageable memory, for which the host waits until the device
    has done all it was given.
    """
    scale = [-1.0 / (WHITE * s) for s in std]
    offset = [(1.0 - m) / s for m, s in zip(mean, std, strict=True)]
    return tuple(torch.tensor([[values]], dtype=dtype, device=device) for values in (scale, offset))


def sheared(x: Tensor, slope: Tensor) -> Tensor:
    """Shift row y of each page (N, H, W) by slope * (y - (H - 1) / 2) pixels, linear between pixels, 0 outside."""
    _, height, width = x.shape
    rows = torch.arange(height, dtype=x.dtype, device=x.device) - (height - 1) / 2
    columns = torch.arange(width, dtype=x.dtype, device=x.device)
    source_x = columns[None, None, :] + slope[:, None, None] * rows[None, :, None]
    source_y = (rows * (2.0 / (height - 1)))[None, :, None].expand_as(source_x)
    grid = torch.stack([source_x * (2.0 / (width - 1)) - 1.0, source_y], dim=-1)
    return functional.grid_sample(x[:, None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[:, 0]
