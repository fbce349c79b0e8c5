"""The `native` arm's LayoutLMv2: `transformers`'. Mirror: `tf_impl/families/layoutlmv2/native.py`.

As shipped: its own initial weights, its own draws of dropout (attention weights included), biases by distance that it
does not train, a backbone that it runs twice for a classification. It needs detectron2, which is in no package index
and builds against few releases of PyTorch; where that is absent, a stand-in takes its place: the same backbone.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pt_impl.dropout import Dropout
from pt_impl.families.layoutlmv2.inputs import Inputs
from shared.errors import UserError
from shared.families import family_of
from shared.families.layoutlmv2.architecture import (
    NORM_EPSILON,
    Backbone,
    Block,
    is_statistic,
    parameter_shapes,
    stages,
)
from shared.families.layoutlmv2.convert import FIRST_STAGE, transformers_name
from shared.families.layoutlmv2.settings import LayoutWorkload, of_family
from shared.protocol import Cell

DETECTRON2 = "detectron2" if find_spec("detectron2") else "a stand-in for detectron2"
SETTINGS = {
    "version.transformers": version("transformers"),
    "attention": "matrix products and softmax in float32",
    "gelu": "exact",
    "backbone": DETECTRON2,
}


class FrozenBatchNorm2d(nn.Module):
    """A norm whose four vectors are buffers."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features, self.eps = num_features, NORM_EPSILON
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), value))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, eps=self.eps)


class _Convolution(nn.Conv2d):
    """A convolution with a frozen norm, or with a bias."""

    def __init__(self, channels: tuple[int, int], kernel: int, stride: int = 1, groups: int = 1, norm: bool = True):
        super().__init__(*channels, kernel, stride, kernel // 2, groups=groups, bias=not norm)
        self.norm = FrozenBatchNorm2d(channels[1]) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return x if self.norm is None else self.norm(x)


class _Bottleneck(nn.Module):
    def __init__(self, block: Block, groups: int) -> None:
        super().__init__()
        ends = (block.channels_in, block.channels_out)
        self.shortcut = _Convolution(ends, 1, block.stride) if block.has_shortcut else None
        self.conv1 = _Convolution((block.channels_in, block.middle), 1)
        self.conv2 = _Convolution((block.middle, block.middle), 3, block.stride, groups)
        self.conv3 = _Convolution((block.middle, block.channels_out), 1)

    def forward(self, x: Tensor) -> Tensor:
        changed = self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))
        return F.relu(changed + (x if self.shortcut is None else self.shortcut(x)))


class _Level(NamedTuple):
    channels: int
    stride: int


class FPN(nn.Module):
    """ResNeXt with all levels of its pyramid, under detectron2's names."""

    def __init__(self, settings: Backbone) -> None:
        super().__init__()
        self.bottom_up = nn.Module()
        self.bottom_up.stem = nn.Module()
        self.bottom_up.stem.conv1 = _Convolution((3, settings.stem_channels), 7, 2)
        self.levels = range(FIRST_STAGE, FIRST_STAGE + len(settings.blocks))
        self.width = settings.pyramid_channels
        for level, blocks in zip(self.levels, stages(settings), strict=True):
            self.bottom_up.add_module(f"res{level}", nn.Sequential(*(_Bottleneck(b, settings.groups) for b in blocks)))
            self.add_module(f"fpn_lateral{level}", _Convolution((blocks[-1].channels_out, self.width), 1, norm=False))
            self.add_module(f"fpn_output{level}", _Convolution((self.width, self.width), 3, norm=False))

    def output_shape(self) -> dict[str, _Level]:
        """Channels and stride of each level."""
        return {f"p{level}": _Level(self.width, 2**level) for level in self.levels}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """(N, 3, H, W) to the levels by name."""
        x = F.max_pool2d(F.relu(self.bottom_up.stem.conv1(images)), 3, 2, 1)
        maps = {}
        for level in self.levels:
            x = maps[level] = self.bottom_up.get_submodule(f"res{level}")(x)
        levels, above = {}, None
        for level in reversed(self.levels):
            seen = self.get_submodule(f"fpn_lateral{level}")(maps[level])
            above = seen if above is None else seen + F.interpolate(above, scale_factor=2.0, mode="nearest")
            levels[f"p{level}"] = self.get_submodule(f"fpn_output{level}")(above)
        return levels


class _Settings(SimpleNamespace):
    """Settings that grow with what is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        setattr(self, name, _Settings())
        return getattr(self, name)


def stand_in(settings: Backbone) -> None:
    """Give `transformers` the parts of detectron2 that it asks for, where there is none: its backbone as `settings`
    have it. detectron2 itself builds the released one alone."""
    if "detectron2" not in sys.modules and find_spec("detectron2"):
        return

    def settings_of_detectron2() -> _Settings:
        found = _Settings()
        found.MODEL.META_ARCHITECTURE, found.MODEL.PIXEL_MEAN = "GeneralizedRCNN", [103.53, 116.28, 123.675]
        return found

    registry = SimpleNamespace(get=lambda name: lambda cfg: SimpleNamespace(backbone=FPN(settings)))
    layers = {"FrozenBatchNorm2d": FrozenBatchNorm2d}
    contents: dict[str, dict[str, Any]] = {
        "detectron2": {},
        "detectron2.config": {"get_cfg": settings_of_detectron2},
        "detectron2.layers": layers,
        "detectron2.layers.batch_norm": layers,
        "detectron2.modeling": {"META_ARCH_REGISTRY": registry},
        "detectron2.modeling.backbone": {"FPN": FPN},
    }
    for name, content in contents.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        module.__spec__, module.__path__ = ModuleSpec(name, None, is_package=True), []
        module.__dict__.update(content)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def library_settings(workload: LayoutWorkload) -> dict[str, Any]:
    """What `transformers.LayoutLMv2Config` has to be told of a workload's network."""
    model, settings = workload.model, workload.input
    return {
        "vocab_size": model.vocabulary_size,
        "hidden_size": model.hidden_size,
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": model.num_heads,
        "intermediate_size": model.intermediate_size,
        "max_position_embeddings": model.max_positions,
        "hidden_dropout_prob": model.hidden_dropout,
        "attention_probs_dropout_prob": model.hidden_dropout,
        "layer_norm_eps": model.norm_epsilon,
        "num_labels": model.num_classes,
        "coordinate_size": model.coordinate_size,
        "shape_size": model.shape_size,
        "fast_qkv": model.fused_projections,
        "has_relative_attention_bias": model.spatial_attention,
        "has_spatial_attention_bias": model.spatial_attention,
        "rel_pos_bins": model.distance_bins,
        "max_rel_pos": model.farthest,
        "rel_2d_pos_bins": model.spatial_bins,
        "max_rel_2d_pos": model.spatial_farthest,
        "image_feature_pool_shape": [model.pool, model.pool, model.backbone_pyramid],
        "detectron2_config_args": {"MODEL.PIXEL_STD": list(settings.std)},
    }


class LibraryHead(NamedTuple):
    """The library's network for what is classified."""

    network: str
    classifier: str  # its name in there
    own: tuple[str, ...] = ()  # parameters that ours has not

    def name(self, ours: str) -> str:
        """The library's name of a tensor."""
        part, _, rest = ours.partition(".")
        return f"{self.classifier}.{rest}" if part == "classifier" else transformers_name(ours)


HEADS = {
    "document": LibraryHead("LayoutLMv2ForSequenceClassification", "classifier"),
    "tokens": LibraryHead("LayoutLMv2ForTokenClassification", "classifier"),
    # unless told otherwise: a vector that is added to the visual tokens; a bias that the softmax over tokens takes out
    "span": LibraryHead(
        "LayoutLMv2ForQuestionAnswering", "qa_outputs", ("layoutlmv2.visual_segment_embedding", "qa_outputs.bias")
    ),
}


class NativeNetwork(nn.Module):
    """`transformers`' LayoutLMv2 with the head of a task and the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        workload = of_family(cell.workload)
        self.arch = family_of(cell.workload).architecture(cell.workload)
        if not self.arch.visual or self.arch.layout != "concatenated":
            raise UserError(
                "`transformers` has no LayoutLMv2 without an image or with other places; leave --arm native away"
            )
        if self.arch.head not in HEADS:
            raise UserError("`transformers` has no LayoutLMv2 that is pre-trained; leave --arm native away")
        stand_in(self.arch.backbone)
        from transformers import LayoutLMv2Config
        from transformers.models.layoutlmv2 import modeling_layoutlmv2

        self.head = HEADS[self.arch.head]
        torch.manual_seed(cell.seed)
        self.whole = getattr(modeling_layoutlmv2, self.head.network)(LayoutLMv2Config(**library_settings(workload)))
        for name, parameter in self.whole.named_parameters():  # what it never gives a gradient
            parameter.requires_grad = name in self.trained_names()
        self.classifier = self.whole.get_submodule(self.head.classifier)
        mean, std = workload.input.mean, workload.input.std
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)

    def trained_names(self) -> set[str]:
        """The library's names of what its loss reaches."""
        return {*map(self.head.name, self._common()), *self.head.own}

    def canonical_parameters(self) -> dict[str, nn.Parameter]:
        """The library's parameters by canonical name; those that ours has not by the library's."""
        theirs = dict(self.whole.named_parameters())
        found = {name: theirs[self.head.name(name)] for name in self._common()}
        return found | {name: theirs[name] for name in self.head.own}

    def _common(self) -> list[str]:
        """Our names of what the library trains as well."""
        names = (name for name in parameter_shapes(self.arch) if not is_statistic(name))
        return [name for name in names if not name.startswith("attention_bias.")]

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> Tensor:
        """The library's head computes its features and logits in one: what `classify` passes on (N, K) or (N, T, K)."""
        self.train(training)
        num_text = inputs.tokens.shape[1]
        mask = (inputs.bias[:, 0, 0, :num_text] == 0).long()
        assert inputs.images is not None
        pixels = inputs.images.float() * self.std + self.mean  # it takes them as they are, and norms them itself
        segments = None if inputs.segments is None else inputs.segments.long()
        found = self.whole(
            input_ids=inputs.tokens.long(), bbox=inputs.boxes.long(), image=pixels, attention_mask=mask,
            token_type_ids=segments,
        )  # fmt: skip
        return torch.stack([found.start_logits, found.end_logits], -1) if self.arch.head == "span" else found.logits

    def classify(self, features: Tensor, drops: Dropout | None) -> Tensor:
        """Logits as they are."""
        return features

    def forward(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> Tensor:
        """Pages to logits (N, K) or (N, T, K), under autocast where the bias is not float32."""
        dtype, device = inputs.bias.dtype, inputs.bias.device.type
        reduced = dtype in (torch.bfloat16, torch.float16)
        with torch.autocast(device, dtype=dtype if reduced else torch.bfloat16, enabled=reduced):
            return self.features(inputs, drops, training)
