"""Each fused operator computes what its plain form computes: values, gradients, running statistics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")
import torch.nn.functional as F  # noqa: E402

from pt_impl import ops  # noqa: E402
from shared.padding import same_padding  # noqa: E402
from tests.tiny import closeness  # noqa: E402

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}
SIZES = [(8, 8), (12, 6), (7, 9), (8, 5), (4, 4), (2, 2), (1, 1)]
DTYPES = [torch.float64, torch.float32]
MOMENTUM, EPSILON = 0.9, 1e-3


def random(*shape: int, dtype: torch.dtype, seed: int = 0) -> torch.Tensor:
    """Normal numbers; images are channels-last."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


def values_and_gradients(function: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> list[torch.Tensor]:
    """The value, and every input's gradient for a random gradient of the value."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    value = function(*leaves)
    value.backward(random(*value.shape, dtype=value.dtype, seed=9))
    return [value.detach(), *(leaf.grad for leaf in leaves)]


def assert_same(fused: Callable[..., torch.Tensor], plain: Callable[..., torch.Tensor], *inputs: torch.Tensor) -> None:
    """With gradients, and the value once more without, where another path is taken."""
    tolerance, expected = TOLERANCE[inputs[0].dtype], values_and_gradients(plain, *inputs)
    for ours, theirs in zip(values_and_gradients(fused, *inputs), expected, strict=True):
        assert closeness(ours, theirs) < tolerance
    with torch.no_grad():
        assert closeness(fused(*inputs), expected[0]) < tolerance


def plain_depthwise(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    kernel = weight.shape[-1]
    (top, bottom), (left, right) = (same_padding(size, kernel, stride) for size in x.shape[2:])
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride, groups=weight.shape[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("slow_on_small_maps", [True, False])
def test_depthwise(
    slow_on_small_maps: bool,
    kernel: int,
    stride: int,
    size: tuple[int, int],
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ops, "SLOW_ON_SMALL_MAPS", slow_on_small_maps)  # whatever this machine's CPU is
    x, weight = random(2, 6, *size, dtype=dtype), random(6, 1, kernel, kernel, dtype=dtype, seed=1)
    assert_same(lambda x, w: ops.depthwise(x, w, stride), lambda x, w: plain_depthwise(x, w, stride), x, weight)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(stride: int, size: tuple[int, int]) -> None:
    x, weight = random(2, 4, *size, dtype=torch.float64), random(5, 4, 3, 3, dtype=torch.float64, seed=1)

    def plain(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        (top, bottom), (left, right) = (same_padding(size, 3, stride) for size in x.shape[2:])
        return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride)

    assert_same(lambda x, w: ops.convolution(x, w, stride), plain, x, weight)


def normalised(x: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / torch.sqrt(variance + EPSILON) * scale[:, None, None] + offset[:, None, None]


def norm_inputs(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    x = 2.0 * random(3, 5, 4, 6, dtype=dtype) + 0.5
    return x, random(5, dtype=dtype, seed=1) + 1.0, random(5, dtype=dtype, seed=2)


def statistics(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    return {"mean": random(5, dtype=dtype, seed=3), "variance": random(5, dtype=dtype, seed=4).abs() + 0.5}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activate", [True, False])
def test_batch_norm_in_training(activate: bool, dtype: torch.dtype) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    settings = {"momentum": MOMENTUM, "epsilon": EPSILON, "training": True}

    def plain(*inputs: torch.Tensor) -> torch.Tensor:
        y = normalised(*inputs)
        return y * torch.sigmoid(y) if activate else y

    assert_same(lambda *inputs: fused(*inputs, **statistics(dtype), **settings), plain, *norm_inputs(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activate", [True, False])
def test_batch_norm_in_evaluation_uses_the_running_statistics_and_leaves_them(
    activate: bool, dtype: torch.dtype
) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    moving, kept = statistics(dtype), statistics(dtype)
    x, scale, offset = norm_inputs(dtype)
    value = fused(x, scale, offset, **moving, momentum=MOMENTUM, epsilon=EPSILON, training=False)
    mean, factor = kept["mean"][:, None, None], torch.sqrt(kept["variance"] + EPSILON)[:, None, None]
    plain = (x - mean) / factor * scale[:, None, None] + offset[:, None, None]
    assert closeness(value, F.silu(plain) if activate else plain) < TOLERANCE[dtype]
    assert all(torch.equal(moving[name], kept[name]) for name in moving)


@pytest.mark.parametrize("activate", [True, False])
def test_running_statistics_move_towards_the_unbiased_variance(activate: bool) -> None:
    fused = ops.norm_silu if activate else ops.batch_norm
    moving, old = statistics(torch.float64), statistics(torch.float64)
    x, scale, offset = norm_inputs(torch.float64)
    fused(x.requires_grad_(), scale, offset, **moving, momentum=MOMENTUM, epsilon=EPSILON, training=True)
    samples = x.detach().numpy().transpose(1, 0, 2, 3).reshape(5, -1)
    mean = MOMENTUM * old["mean"].numpy() + (1 - MOMENTUM) * samples.mean(1)
    variance = MOMENTUM * old["variance"].numpy() + (1 - MOMENTUM) * samples.var(1, ddof=1)
    np.testing.assert_allclose(moving["mean"].numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(moving["variance"].numpy(), variance, rtol=1e-12)


def squeeze_inputs(dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    channels, squeezed = 6, 2
    shapes = [(squeezed, channels), (squeezed,), (channels, squeezed), (channels,)]
    return random(3, channels, 4, 5, dtype=dtype), *(
        random(*shape, dtype=dtype, seed=seed) for seed, shape in enumerate(shapes, 1)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_squeeze_excite(dtype: torch.dtype) -> None:
    def plain(x: torch.Tensor, w1: torch.Tensor, b1: torch.Tensor, w2: torch.Tensor, b2: torch.Tensor) -> torch.Tensor:
        hidden = x.mean((2, 3)) @ w1.T + b1
        gate = torch.sigmoid((hidden * torch.sigmoid(hidden)) @ w2.T + b2)
        return x * gate[:, :, None, None]

    assert_same(ops.squeeze_excite, plain, *squeeze_inputs(dtype))


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_the_own_functions_against_finite_differences(stride: int) -> None:
    x, weight = random(2, 3, 6, 4, dtype=torch.float64), random(3, 1, 5, 5, dtype=torch.float64, seed=1)
    inputs = (x.requires_grad_(), weight.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, w: ops.depthwise(x, w, stride), inputs, fast_mode=True)
    squeeze = tuple(tensor.requires_grad_() for tensor in squeeze_inputs(torch.float64))
    assert torch.autograd.gradcheck(ops.squeeze_excite, squeeze, fast_mode=True)


def trained_norm_silu(*inputs: torch.Tensor) -> torch.Tensor:
    moving = statistics(inputs[0].dtype)
    return ops.norm_silu(*inputs, **moving, momentum=MOMENTUM, epsilon=EPSILON, training=True)


def test_gradient_of_norm_silu_against_finite_differences() -> None:
    """`gradcheck` runs a graph's backward pass twice, which this one refuses: a directional difference instead."""

    def loss(*inputs: torch.Tensor) -> torch.Tensor:
        value = trained_norm_silu(*inputs)
        return (value * random(*value.shape, dtype=torch.float64, seed=7)).sum()

    inputs = [tensor.requires_grad_() for tensor in norm_inputs(torch.float64)]
    loss(*inputs).backward()
    step = 1e-6
    for index, tensor in enumerate(inputs):
        direction = random(*tensor.shape, dtype=torch.float64, seed=8)
        ends = [loss(*inputs[:index], tensor + sign * step * direction, *inputs[index + 1 :]) for sign in (1, -1)]
        slope = (ends[0] - ends[1]).item() / (2 * step)
        assert slope == pytest.approx((tensor.grad * direction).sum().item(), rel=1e-7)


def test_a_second_backward_pass_of_norm_silu_is_refused_not_wrong() -> None:
    inputs = [tensor.requires_grad_() for tensor in norm_inputs(torch.float64)]
    value = trained_norm_silu(*inputs).sum()
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace operation"):
        value.backward()
