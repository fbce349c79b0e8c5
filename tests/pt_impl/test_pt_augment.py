"""Shear and normalisation on the device."""

from __future__ import annotations

import numpy as np
import pytest
import tiny

torch = pytest.importorskip("torch")

from pt_impl.augment import network_input, sheared  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SLOPES = np.array([0.0, 5.0, -357.0, 358.0, 1024.0]) / 4096  # multiples of 2^-12, the last beyond five degrees


def pages(height: int = 32, width: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (len(SLOPES), height, width), dtype=np.uint8)


@pytest.mark.parametrize("size", [(32, 32), (17, 24)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.float64, 1e-12)])
def test_shear_is_that_of_numpy(size: tuple[int, int], dtype: torch.dtype, tolerance: float) -> None:
    x = pages(*size)
    ours = sheared(torch.tensor(x, dtype=dtype), torch.tensor(SLOPES, dtype=dtype))
    assert tiny.closeness(ours, tiny.sheared(x, SLOPES)) < tolerance


def test_no_slope_is_no_change() -> None:
    x = torch.tensor(pages(), dtype=torch.float64)
    assert torch.allclose(sheared(x, torch.zeros(len(x), dtype=torch.float64)), x, atol=1e-10)


def test_what_a_shear_uncovers_is_white() -> None:
    black = torch.zeros(1, 32, 32, dtype=torch.uint8)
    images = network_input(black, torch.tensor([0.25]), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), torch.float32)
    assert images[0, :, 0, 0].tolist() == pytest.approx([1.0] * 3)  # the top row slides away from the left edge
    assert images[0, :, -1, -1].tolist() == pytest.approx([1.0] * 3)
    assert images[0, :, 16, 16].tolist() == pytest.approx([0.0] * 3, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalisation(dtype: torch.dtype) -> None:
    page = torch.tensor([[[0, 51], [204, 255]]], dtype=torch.uint8)
    images = network_input(page, None, MEAN, STD, dtype)
    expected = (np.array([[0.0, 0.2], [0.8, 1.0]]) - np.reshape(MEAN, (3, 1, 1))) / np.reshape(STD, (3, 1, 1))
    assert images.dtype == dtype
    assert images.shape == (1, 3, 2, 2)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert tiny.closeness(images[0], expected) < (1e-6 if dtype == torch.float32 else 1e-14)


def test_reduced_precision_rounds_only_the_result() -> None:
    x, slopes = torch.tensor(pages()), torch.tensor(SLOPES, dtype=torch.float32)
    exact = network_input(x, slopes, MEAN, STD, torch.float32)
    assert torch.equal(network_input(x, slopes, MEAN, STD, torch.bfloat16), exact.bfloat16())
