"""Differences planted in PyTorch's convolutions over words. Mirror: `tf_impl/families/cnn/mutations.py`."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pt_impl import mutations
from pt_impl.families.cnn import convolution
from shared import word_batch


def windows_end_early() -> None:
    """The windows of the maximum leave out their last place; that of a whole text its last two, because the last one
    sees one word alone, and hardly any filter has its maximum there."""
    window_bounds = convolution.window_bounds

    def early(places: Tensor, num_windows: int) -> tuple[Tensor, Tensor]:
        first, end = window_bounds(places, num_windows)
        return first, torch.maximum(end - (1 if num_windows > 1 else 2), first + 1)

    convolution.window_bounds = early


def padding_on_one_side() -> None:
    """Filters begin at a text's first word, not where they see it last."""
    convolve = convolution.convolve

    def one_sided(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        late = weight.shape[2] - 1
        return F.pad(convolve(x, weight, bias)[:, late:], (0, 0, 0, late))

    convolution.convolve = one_sided


def half_the_gradient_of_a_maximum() -> None:
    """The maxima get half their gradient."""
    maxima = convolution.maxima

    def halved(x: Tensor, first: Tensor, end: Tensor) -> Tensor:
        found = maxima(x, first, end)
        return (found + found.detach()) / 2

    convolution.maxima = halved


def epochs_drop_alike() -> None:
    """Every epoch drops what the first one did."""
    drop_keys = word_batch.drop_keys

    def first(seed: int, epoch: int, samples: np.ndarray, num_places: int) -> np.ndarray:
        return drop_keys(seed, 0, samples, num_places)

    word_batch.drop_keys = first
    mutations.load_in_this_process()


def samples_swapped() -> None:
    """Two texts of a batch drop what the other should."""
    drop_keys = word_batch.drop_keys

    def swapped(seed: int, epoch: int, samples: np.ndarray, num_places: int) -> np.ndarray:
        return drop_keys(seed, epoch, np.concatenate([samples[1::-1], samples[2:]]), num_places)

    word_batch.drop_keys = swapped
    mutations.load_in_this_process()
