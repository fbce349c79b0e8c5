"""LayoutLMv2 on pages, words and their boxes (Xu et al., ACL 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.layoutlmv2 import architecture as structure
from shared.families.layoutlmv2 import convert, start
from shared.families.layoutlmv2.architecture import Architecture, Backbone
from shared.families.layoutlmv2.batch import LayoutBatch, layout_batch
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Description, Drawn, Family, ParameterGroup, Shapes, Weights
from shared.modalities import Boxes, Modality, Pages, Tokens
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.tasks import task_of
from shared.transformer import layered_groups, vocabulary_of
from shared.words import BOX_SCALE

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder

# `transformers`' LayoutLMv2Config where a file says nothing
DEFAULT_HEADS = 12


class LayoutLMv2(Family[LayoutWorkload, Architecture, LayoutBatch]):
    """LayoutLMv2 of any size, with a classifier; also without the image, and without biases by distance."""

    name = "layoutlmv2"
    workload = LayoutWorkload
    heads = ("document", "tokens", "span", "hidden")
    sizes = ("num_classes", "vocabulary_size")
    checkpoints = ("layoutlmv2-base", "layoutlmv2-large")  # workloads
    own_classifier = False

    def modalities(self, workload: LayoutWorkload) -> tuple[Modality, ...]:
        settings = workload.input
        parts = task_of(workload).parts
        stride = 0 if parts == "documents" else settings.stride
        text = Tokens(settings.max_tokens, settings.truncation, workload.model.vocabulary_size, parts, stride)
        page = (Pages(settings.image_size),) if workload.model.visual else ()
        return (*page, text, Boxes(BOX_SCALE))

    def describe(self, workload: LayoutWorkload) -> Description:
        model, settings = workload.model, workload.input
        network = f"{self.name} {model.num_layers} x {model.hidden_size}"
        sample = f"at most {settings.max_tokens} tokens"
        tokens = settings.max_tokens
        if model.visual:
            sample, tokens = f"{sample}, {settings.image_size} px", tokens + model.pool**2
        return Description(network, sample, "page", float(tokens))

    def fit(self, workload: LayoutWorkload, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        """The vocabulary that its tokens are of."""
        return vocabulary_of(facts, workload.model.vocabulary_size)

    def architecture(self, workload: LayoutWorkload) -> Architecture:
        model = workload.model
        same = {
            name: getattr(model, name)
            for name in Architecture.__dataclass_fields__
            if name in type(model).model_fields
        }  # fmt: skip
        blocks = Backbone(
            blocks=model.backbone_blocks,
            groups=model.backbone_groups,
            group_width=model.backbone_group_width,
            stem_channels=model.backbone_stem,
            stage_channels=model.backbone_channels,
            pyramid_channels=model.backbone_pyramid,
            frozen=model.backbone_frozen,
        )
        return Architecture(**same, head=task_of(workload).head, backbone=blocks)

    def parameter_shapes(self, arch: Architecture) -> Shapes:
        return structure.parameter_shapes(arch)

    def is_statistic(self, name: str) -> bool:
        """The vectors of the backbone's frozen norms."""
        return structure.is_statistic(name)

    def num_trained(self, arch: Architecture) -> int:
        shapes = self.parameter_shapes(arch)
        return sum(math.prod(shape) for name, shape in shapes.items() if structure.is_trained(arch, name))

    def initial_weights(self, arch: Architecture, seed: int) -> Weights:
        return start.initial_weights(arch, seed)

    def parameter_groups(self, arch: Architecture, workload: LayoutWorkload) -> dict[str, ParameterGroup]:
        """See `layered_groups`; the image, places and biases by distance come before the layers."""
        settings = workload.optimizer
        trained = (name for name in structure.parameter_shapes(arch) if structure.is_trained(arch, name))
        head_factor = settings.head_rate / workload.schedule.peak_rate
        return layered_groups(trained, arch.num_layers, head_factor, settings.layer_decay, settings.weight_decay)

    def batch(
        self, store: Store, workload: LayoutWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> LayoutBatch:
        return layout_batch(store, workload, self.architecture(workload), samples, size, drawn)

    def smallest(self, batch: LayoutBatch) -> LayoutBatch:
        """One page of one token, its image whole: the pool needs it."""
        one = LayoutBatch(*(array[:1] for array in batch))
        width, labels = batch.tokens.shape[1], one.labels
        if labels.shape[1:] == (width,):  # of each token
            labels = labels[:, :1]
        elif one.positions.shape[1]:  # of masked tokens, of each token, of the image
            labels = np.concatenate([labels[:, :1], labels[:, -2:]], 1)
        return one._replace(
            tokens=one.tokens[:, :1], boxes=one.boxes[:, :1], labels=labels, positions=0 * one.positions[:, :1]
        )

    def num_tokens(self, store: Store, samples: np.ndarray) -> int:
        assert store.lengths is not None, "the plan gives a store what its workload reads"
        return int(store.lengths[samples].sum())

    def without_drops(self, workload: LayoutWorkload) -> LayoutWorkload:
        return workload.overridden({"model.hidden_dropout": 0.0, "model.classifier_dropout": 0.0}, "without drops")

    def from_transformers(self, tensors: Mapping[str, np.ndarray], arch: Architecture) -> Weights:
        return convert.from_transformers(tensors, arch)

    def leftovers(self, tensors: Iterable[str], arch: Architecture) -> list[str]:
        return convert.leftovers(tensors, arch)

    def is_transformers(self, tensors: Iterable[str]) -> bool:
        return any(name.endswith("x_position_embeddings.weight") for name in tensors)

    def transformers_config(self, arch: Architecture) -> dict[str, tuple[Any, Any]]:
        blocks = arch.backbone
        return {
            "model_type": (self.name, self.name),
            "hidden_act": ("gelu", "gelu"),
            "layer_norm_eps": (arch.norm_epsilon, 1e-12),
            "num_attention_heads": (arch.num_heads, DEFAULT_HEADS),
            "fast_qkv": (arch.fused_projections, True),
            "has_relative_attention_bias": (arch.spatial_attention, True),
            "has_spatial_attention_bias": (arch.spatial_attention, True),
            "has_visual_segment_embedding": (False, False),
            "rel_pos_bins": (arch.distance_bins, 32),
            "max_rel_pos": (arch.farthest, 128),
            "rel_2d_pos_bins": (arch.spatial_bins, 64),
            "max_rel_2d_pos": (arch.spatial_farthest, 256),
            "image_feature_pool_shape": ([arch.pool, arch.pool, blocks.pyramid_channels], [7, 7, 256]),
        }

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.num_features

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.layoutlmv2.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.layoutlmv2.contest import CONTEST

        return CONTEST


FAMILY = LayoutLMv2()
