"""EfficientNet on page images (Tan and Le, ICML 2019), the image model of Ferrando et al. (ICCS 2020), section 4.1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.efficientnet import architecture as structure
from shared.families.efficientnet import convert, start
from shared.families.efficientnet.architecture import Architecture
from shared.families.efficientnet.batch import SMALLEST_PAGE, PageBatch, page_batch
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Description, Drawn, Family, Shapes, Weights
from shared.modalities import Modality, Pages
from shared.sections import Finetune
from shared.store import Store

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder


class EfficientNet(Family[EfficientNetWorkload, Architecture, PageBatch]):
    """EfficientNet B0 to B7."""

    name = "efficientnet"
    workload = EfficientNetWorkload
    checkpoints = structure.VARIANTS

    def modalities(self, workload: EfficientNetWorkload) -> tuple[Modality, ...]:
        return (Pages(workload.input.image_size),)

    def describe(self, workload: EfficientNetWorkload) -> Description:
        size = workload.input.image_size
        return Description(f"{self.name} {workload.model.variant}", f"{size} px", "page", float(size**2))

    def architecture(self, workload: EfficientNetWorkload) -> Architecture:
        model = workload.model
        return structure.architecture(
            model.variant,
            model.num_classes,
            model.dropout,
            model.drop_connect,
            model.norm_momentum,
            model.norm_epsilon,
            model.norm_statistics == "fixed",
        )

    def parameter_shapes(self, arch: Architecture) -> Shapes:
        return structure.parameter_shapes(arch)

    def is_statistic(self, name: str) -> bool:
        """Running means and variances of batch norms."""
        return structure.is_statistic(name)

    def initial_weights(self, arch: Architecture, seed: int) -> Weights:
        return start.initial_weights(arch, seed)

    def batch(
        self,
        store: Store,
        workload: EfficientNetWorkload,
        samples: np.ndarray,
        size: int,
        drawn: Drawn,
        width: int,
    ) -> PageBatch:
        return page_batch(store, workload, self.architecture(workload), samples, size, drawn)

    def smallest(self, batch: PageBatch) -> PageBatch:
        """Two pages of 32 x 32 pixels: batch norm needs more than one value per channel."""
        cut = PageBatch(*(array[:2] for array in batch))
        return cut._replace(pixels=cut.pixels[:, :SMALLEST_PAGE, :SMALLEST_PAGE])

    def without_drops(self, workload: EfficientNetWorkload) -> EfficientNetWorkload:
        return workload.overridden({"model.drop_connect": 0.0, "model.dropout": 0.0}, "without drops")

    def with_fresh_statistics(self, workload: EfficientNetWorkload) -> EfficientNetWorkload:
        """With the least momentum that the settings allow; what is left of the old ones is below any rounding."""
        return workload.overridden({"model.norm_momentum": 1e-300}, "fresh statistics")

    def second_stage(self, workload: EfficientNetWorkload) -> Finetune:
        """The paper's fine-tuning (section 4.1)."""
        return workload.finetune

    def from_transformers(self, tensors: Mapping[str, np.ndarray], arch: Architecture) -> Weights:
        return convert.from_transformers(tensors, arch)

    def leftovers(self, tensors: Iterable[str], arch: Architecture) -> list[str]:
        return convert.leftovers(tensors, arch)

    def is_transformers(self, tensors: Iterable[str]) -> bool:
        return any(name.startswith("efficientnet.") for name in tensors)

    def transformers_config(self, arch: Architecture) -> dict[str, tuple[Any, Any]]:
        ours = {
            "model_type": "efficientnet",
            "hidden_act": "swish",
            "batch_norm_eps": structure.RELEASED_EPSILON,
            "depth_divisor": structure.CHANNEL_DIVISOR,
            "squeeze_expansion_ratio": structure.SQUEEZE_RATIO,
            "pooling_type": "mean",
        }
        return {name: (value, value) for name, value in ours.items()}

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.head_channels

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.efficientnet.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.efficientnet.contest import CONTEST

        return CONTEST


FAMILY = EfficientNet()
