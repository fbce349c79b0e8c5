"""Softmax regression on the pixels of a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from shared.contest import PIPELINE_RATIOS, Contest, contestants_of
from shared.draws import normal
from shared.family import Description, Drawn, Family, Shapes, Weights
from shared.frameworks import KEYS
from shared.ladder import Ladder, Mutation, Tolerance
from shared.modalities import Modality, Pages, page_pixels
from shared.sections import Model, PageInput, Sgd, SlantedTriangular
from shared.spec import Workload
from shared.store import Store
from shared.tasks import task_of

DEVIATION = 0.001  # of the initial weights


class SoftmaxModel(Model):
    family: Literal["softmax"]


class SoftmaxWorkload(Workload):
    """Pixels into a linear classifier."""

    model: SoftmaxModel
    input: PageInput
    optimizer: Sgd
    schedule: SlantedTriangular


@dataclass(frozen=True)
class Architecture:
    num_features: int
    num_classes: int


class PixelBatch(NamedTuple):
    pixels: np.ndarray  # uint8, n x H x W
    labels: np.ndarray


class Softmax(Family[SoftmaxWorkload, Architecture, PixelBatch]):
    """The family."""

    name = "softmax"
    workload = SoftmaxWorkload

    def modalities(self, workload: SoftmaxWorkload) -> tuple[Modality, ...]:
        return (Pages(workload.input.image_size),)

    def describe(self, workload: SoftmaxWorkload) -> Description:
        size = workload.input.image_size
        return Description("softmax", f"{size} px", "page", float(size**2))

    def architecture(self, workload: SoftmaxWorkload) -> Architecture:
        return Architecture(workload.input.image_size**2, workload.model.num_classes)

    def parameter_shapes(self, arch: Architecture) -> Shapes:
        return {"classifier.weight": (arch.num_classes, arch.num_features), "classifier.bias": (arch.num_classes,)}

    def initial_weights(self, arch: Architecture, seed: int) -> Weights:
        shape = (arch.num_classes, arch.num_features)
        weight = normal(seed, 0, arch.num_classes * arch.num_features).reshape(shape) * DEVIATION
        return {"classifier.weight": weight.astype(np.float32), "classifier.bias": np.zeros(shape[0], np.float32)}

    def batch(
        self, store: Store, workload: SoftmaxWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> PixelBatch:
        labels = task_of(workload).labels(store, samples, size, workload.model.num_classes)
        return PixelBatch(page_pixels(store, samples, size), labels)

    def smallest(self, batch: PixelBatch) -> PixelBatch:
        """One page: the classifier has a weight per pixel."""
        return PixelBatch(*(array[:1] for array in batch))

    def without_drops(self, workload: SoftmaxWorkload) -> SoftmaxWorkload:
        """Nothing is dropped."""
        return workload

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.num_features

    @property
    def ladder(self) -> Ladder:
        return Ladder(
            batch=8,
            size=("input.image_size", 32),
            unit="px",
            logits=Tolerance(1e-12, 1e-5),
            gradients=Tolerance(1e-11, 1e-4),
            trajectory=Tolerance(1e-12, 1e-4),
            statistics=Tolerance(0.0, 0.0),
            inputs={"images": Tolerance(1e-12, 1e-5)},
            easy={"schedule.peak_rate": 10.0},  # so high that the order of the samples shows
            easy_steps=60,
            mutations=(
                Mutation("the bias forgotten", "pt", "trajectory-fp64", "bias_forgotten"),
                Mutation("half the gradient", "tf", "backward-fp64", "half_the_gradient"),
                Mutation("momentum 0.89 for 0.9", "pt", "trajectory-fp64", changes=(("optimizer.momentum", 0.89),)),
            ),
        )

    @property
    def contest(self) -> Contest:
        everybody = tuple(each for key in KEYS for each in contestants_of(key))
        return Contest("softmax", everybody, PIPELINE_RATIOS, batch=8)


FAMILY = Softmax()
