"""The network against `transformers`' of the same weights; names, counts, layouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests import tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from pt_impl.families.efficientnet.inputs import Drops, Inputs  # noqa: E402
from pt_impl.families.efficientnet.network import EfficientNet  # noqa: E402
from pt_impl.networks import build, named_tensors, weights_of  # noqa: E402
from shared.families.efficientnet import FAMILY  # noqa: E402
from shared.families.efficientnet.architecture import (  # noqa: E402
    HEAD_CHANNELS,
    SCALING,
    architecture,
    is_statistic,
    parameter_shapes,
    round_channels,
)
from shared.families.efficientnet.convert import from_transformers, to_transformers  # noqa: E402
from shared.families.efficientnet.settings import EfficientNetWorkload  # noqa: E402
from shared.family import Weights  # noqa: E402

EPSILON = 1e-3
WORKLOAD = tiny.workload()  # EfficientNet-B0, 16 classes


def theirs(variant: str, num_classes: int, size: int) -> torch.nn.Module:
    """The library's network. The padding list that it derives from the model's own resolution must be empty here."""
    width, depth, dropout, _ = SCALING[variant]
    config = transformers.EfficientNetConfig(
        image_size=size,
        width_coefficient=width,
        depth_coefficient=depth,
        hidden_dim=round_channels(HEAD_CHANNELS, width),
        dropout_rate=dropout,
        depthwise_padding=[],
        batch_norm_eps=EPSILON,
        num_labels=num_classes,
    )
    return transformers.EfficientNetForImageClassification(config).eval()


def calibrated(workload: EfficientNetWorkload, images: torch.Tensor) -> Weights:
    """Varied weights whose statistics are a batch's: with random ones the activations of a deep network explode."""
    dtype = np.float64 if images.dtype == torch.float64 else np.float32
    arch = replace(FAMILY.architecture(workload), norm_momentum=1e-9)
    network = EfficientNet(arch, tiny.weights(arch, dtype))
    with torch.no_grad():
        network(Inputs(images), training=True)
    return weights_of(network, workload)


@pytest.mark.parametrize("variant", ["b0", pytest.param("b2", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_logits_are_those_of_transformers(variant: str, dtype: torch.dtype, tolerance: float) -> None:
    workload = tiny.workload(model__variant=variant, model__num_classes=10)
    images = torch.randn(3, 3, 64, 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
    weights = calibrated(workload, images)
    network = build(workload, weights)
    oracle = theirs(variant, 10, 64).to(dtype)
    state = {name: torch.tensor(value) for name, value in to_transformers(weights).items()}
    missing, unexpected = oracle.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    with torch.no_grad():
        ours, expected = network(Inputs(images)), oracle(images).logits
    assert expected.std() > 0.01
    assert tiny.closeness(ours, expected) < tolerance


@pytest.mark.parametrize(
    ("variant", "thousand", "sixteen"),
    [("b0", 5_288_548, 4_028_044), ("b2", 9_109_994, 7_723_538), ("b4", 19_341_616, 17_577_304)],
)
def test_names_shapes_and_counts_are_the_librarys(variant: str, thousand: int, sixteen: int) -> None:
    arch = architecture(variant, 1000)
    assert FAMILY.num_trained(arch) == thousand
    assert FAMILY.num_trained(architecture(variant, 16)) == sixteen
    with torch.device("meta"):
        oracle = theirs(variant, 1000, 64)
    state = {name: tuple(t.shape) for name, t in oracle.state_dict().items() if not name.endswith("_tracked")}
    ours = {name: np.broadcast_to(np.float32(0), shape) for name, shape in parameter_shapes(arch).items()}
    assert {name: value.shape for name, value in to_transformers(ours).items()} == state


def test_converting_there_and_back_changes_nothing() -> None:
    arch = architecture("b0", 16)
    weights = tiny.weights(arch)
    back = from_transformers(to_transformers(weights), arch)
    assert list(back) == list(weights)
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_a_network_holds_the_canonical_tensors() -> None:
    arch = FAMILY.architecture(WORKLOAD)
    weights = tiny.weights(arch)
    network = build(WORKLOAD, weights)
    tensors = named_tensors(network, WORKLOAD)
    assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == parameter_shapes(arch)
    assert set(tensors) == set(network.state_dict())
    trained = {name for name in tensors if not is_statistic(name)}
    assert {name for name, _ in network.named_parameters()} == set(network.canonical_parameters()) == trained
    assert sum(parameter.numel() for parameter in network.parameters()) == FAMILY.num_trained(arch) == 4_028_044
    copied = weights_of(network, WORKLOAD)
    assert all(np.array_equal(copied[name], weights[name]) for name in weights)


def test_a_skipped_branch_and_a_dropped_unit_change_nothing_but_their_sample() -> None:
    arch = FAMILY.architecture(WORKLOAD)
    inputs = Inputs(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    network = build(WORKLOAD, calibrated(WORKLOAD, inputs.images))
    keep_block, keep_unit = torch.ones(2, len(arch.blocks)), torch.ones(2, arch.head_channels)
    drops = Drops(keep_block, keep_unit)
    with torch.no_grad():
        plain = network(inputs)
        assert torch.allclose(network(inputs, drops), plain, atol=1e-5)
        keep_block[0, 2] = 0.0  # a residual block
        dropped = network(inputs, drops)
        keep_unit[1] = 0.0
        headless = network(inputs, drops)
    assert not torch.allclose(dropped[0], plain[0], atol=1e-3)
    assert torch.allclose(dropped[1], plain[1], atol=1e-5)
    assert torch.allclose(headless[1], network.classifier.bias)
    assert torch.allclose(headless[0], dropped[0], atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_have_the_strides_of_their_parameters(dtype: torch.dtype) -> None:
    """DistributedDataParallel warns and copies where they have not, even in axes of length 1."""
    network = build(WORKLOAD, tiny.weights(FAMILY.architecture(WORKLOAD)))
    images = torch.randn(2, 3, 64, 64).to(dtype).contiguous(memory_format=torch.channels_last)
    network(Inputs(images), training=True).float().sum().backward()
    assert not [name for name, p in network.named_parameters() if p.grad.stride() != p.stride()]
