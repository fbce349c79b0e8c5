"""The backbone against torchvision's ResNeXt with a feature pyramid.

A torchvision that was built for another PyTorch (there is none for the CPU build) cannot load its compiled operators;
what is needed is Python alone, and is imported without the packages' own beginnings.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests import tiny_layout

torch = pytest.importorskip("torch")

from pt_impl.families.layoutlmv2.backbone import ResNeXtPyramid  # noqa: E402
from shared.families.layoutlmv2.architecture import NORM_EPSILON, Backbone  # noqa: E402

NAME = "visual.backbone"
# torchvision's stem and stages have these widths, whatever the groups
SIZES = Backbone(
    (1, 2, 1, 1), groups=4, group_width=8, stem_channels=64, stage_channels=256, pyramid_channels=16, frozen=0
)
BLOCK = {"conv1": "reduce", "conv2": "grouped", "conv3": "expand", "downsample.0": "shortcut"}
NORMS = {"bn1": "reduce", "bn2": "grouped", "bn3": "expand", "downsample.1": "shortcut"}


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Imports modules of torchvision by name; they are gone afterwards, as transformers asks whether they are there."""
    if "torchvision" in sys.modules:
        pytest.skip("torchvision was imported as a whole")
    try:
        found = find_spec("torchvision")
    except ValueError:
        found = None
    if found is None or found.origin is None:
        pytest.skip("torchvision is not installed")
    root = Path(found.origin).parent
    for name in ("torchvision", "torchvision.models", "torchvision.ops"):
        module = ModuleType(name)
        module.__path__ = [str(root.joinpath(*name.split(".")[1:]))]
        monkeypatch.setitem(sys.modules, name, module)
    yield import_module
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        monkeypatch.delitem(sys.modules, name)


def our_name(name: str) -> str:
    """The name of a tensor of torchvision's ResNet or pyramid."""
    parts = name.split(".")
    if parts[0] in ("conv1", "bn1"):
        return f"{NAME}.stem.{'norm.' if parts[0] == 'bn1' else ''}{parts[-1]}"
    if parts[0] == "inner_blocks":
        return f"{NAME}.laterals.{parts[1]}.{parts[-1]}"
    if parts[0] == "layer_blocks":
        return f"{NAME}.finest.{parts[-1]}"
    place, part = f"{NAME}.stages.{int(parts[0][-1]) - 1}.{parts[1]}", ".".join(parts[2:-1])
    return f"{place}.{BLOCK[part]}.{parts[-1]}" if part in BLOCK else f"{place}.{NORMS[part]}.norm.{parts[-1]}"


def test_the_finest_level_is_torchvisions(torchvision: Any) -> None:
    arch = replace(tiny_layout.architecture(tiny_layout.workload()), backbone=SIZES)
    weights = {name: value for name, value in tiny_layout.weights(arch, np.float64).items() if name.startswith(NAME)}
    resnet = torchvision("torchvision.models.resnet")
    frozen = torchvision("torchvision.ops.misc").FrozenBatchNorm2d
    network = resnet.ResNet(
        resnet.Bottleneck, list(SIZES.blocks), groups=SIZES.groups, width_per_group=SIZES.group_width,
        norm_layer=lambda channels: frozen(channels, eps=NORM_EPSILON),
    ).double()  # fmt: skip
    widths = [SIZES.stage_channels << stage for stage in range(4)]
    pyramid = torchvision("torchvision.ops.feature_pyramid_network").FeaturePyramidNetwork(widths, 16).double()
    taken = set()
    for module in (network, pyramid):
        for name, tensor in module.state_dict().items():
            if name.startswith(("fc.", "layer_blocks.1", "layer_blocks.2", "layer_blocks.3")):
                continue
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(weights[our_name(name)]))
            taken.add(our_name(name))
    assert taken == set(weights)
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 96)))
    with torch.no_grad():
        x = network.maxpool(network.relu(network.bn1(network.conv1(images))))
        maps = {}
        for stage in range(4):
            x = maps[str(stage)] = network.get_submodule(f"layer{stage + 1}")(x)
        expected = pyramid(maps)["0"]
        found = ResNeXtPyramid(weights, NAME, SIZES)(images)
    assert found.shape == (2, 16, 16, 24)
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-12
