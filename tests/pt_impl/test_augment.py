"""Shear and normalisation on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from pt_impl.augment import network_input, sheared  # noqa: E402
from pt_impl.step import Step  # noqa: E402
from shared.store import Store  # noqa: E402
from tests.pt_impl import short_network  # noqa: E402

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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_factors_of_the_normalisation_are_made_once(dtype: torch.dtype) -> None:
    """Made in every step they would be a copy to the device that the host waits for; the images are the same."""

    class FromTheHost(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.count = 0

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += function.overloadpacket.__name__ == "lift_fresh"  # what torch.tensor ends in
            return function(*args, **(kwargs or {}))

    given, shear = torch.from_numpy(pages()), torch.tensor(SLOPES)
    first = network_input(given, shear, MEAN, STD, dtype)
    with FromTheHost() as made:
        second = network_input(given, shear, MEAN, STD, dtype)
        assert made.count == 0
        torch.tensor([1.0])
        assert made.count == 1, "a copy would have been seen"
    assert torch.equal(first, second)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    factors = [[-1.0 / (255.0 * s) for s in STD], [(1.0 - m) / s for m, s in zip(MEAN, STD, strict=True)]]
    scale, offset = torch.tensor(factors, dtype=exact)
    ink = sheared(255.0 - given.to(exact), shear.to(exact))
    expected = torch.addcmul(offset[None, None], ink[..., None], scale[None, None]).to(dtype).permute(0, 3, 1, 2)
    assert torch.equal(second, expected), "to the last bit"


def test_a_step_takes_nothing_from_the_host_but_its_batch(noise: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device of shapes alone: every tensor of the forward and the backward pass lies where the batch does."""

    class Devices(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.others: list[str] = []

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            result = function(*args, **(kwargs or {}))
            seen = [each for each in tree_leaves((args, kwargs, result)) if isinstance(each, torch.Tensor)]
            if function.overloadpacket.__name__ == "lift_fresh" or {each.device.type for each in seen} - {"meta"}:
                self.others.append(str(function))
            return result

    monkeypatch.setattr(torch.Tensor, "is_cuda", True)  # the operators that GPUs have
    workload = tiny.workload(model__norm_momentum=0.5)
    network = short_network.make_step(workload).network.to("meta")
    step, batch = Step(network, workload, "fp32", 1), tiny.train_batch(noise, workload)
    shapes = type(batch)(*(torch.from_numpy(array).to("meta") for array in batch))
    step.loss_and_gradients(shapes)
    with Devices() as devices:
        step.loss_and_gradients(shapes)
    assert devices.others == []
