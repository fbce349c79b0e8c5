"""Which samples make up which batch, and a batch's content: the same for both wings, any replicas, any workers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.draws import Draws, draws, order
from shared.efficientnet import Architecture, architecture
from shared.spec import Workload
from shared.store import Store


@dataclass(frozen=True)
class Batch:
    """n samples, ready to be moved to a device. In evaluation the draws are neutral and `weight` marks real rows."""

    pages: np.ndarray  # uint8, n x H x W
    labels: np.ndarray  # int32, n
    weight: np.ndarray  # float32, n: 1 for a sample, 0 for a row that only fills the batch up
    shear: np.ndarray  # float32, n
    keep_block: np.ndarray  # float32, n x B
    keep_unit: np.ndarray  # float32, n x F

    def arrays(self) -> tuple[np.ndarray, ...]:
        """The fields in order."""
        return self.pages, self.labels, self.weight, self.shear, self.keep_block, self.keep_unit


FIELDS = ("pages", "labels", "weight", "shear", "keep_block", "keep_unit")


def architecture_of(workload: Workload) -> Architecture:
    """The network that a workload asks for."""
    model = workload.model
    return architecture(model.variant, model.num_classes, model.dropout, model.drop_connect)


@dataclass(frozen=True)
class TrainBatches:
    """The training batches of a seed. Global batch k of an epoch holds entries [k * G, (k + 1) * G) of the epoch's
    permutation; replica r takes the r-th n of them. The ragged last batch is dropped.

    Raises:
        ValueError: fewer samples than one global batch.
    """

    store: Store
    workload: Workload
    seed: int
    replicas: int

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise ValueError(f"{len(self.indices)} training samples are fewer than a global batch, {self.global_batch}")

    @property
    def global_batch(self) -> int:
        return self.replicas * self.workload.train.batch_per_replica

    @cached_property
    def indices(self) -> np.ndarray:
        """The training samples (int64, ascending)."""
        return self.store.indices("train")

    @property
    def steps_per_epoch(self) -> int:
        return len(self.indices) // self.global_batch

    def samples(self, step: int) -> np.ndarray:
        """Sample indices (int64, G) of a step counted over the whole training."""
        epoch, position = divmod(step, self.steps_per_epoch)
        permutation = order(self.seed, epoch, len(self.indices))
        return self.indices[permutation[position * self.global_batch : (position + 1) * self.global_batch]]

    def batch(self, step: int, replica: int | None = None) -> Batch:
        """A replica's share of a step, or with None the whole global batch."""
        samples = self.samples(step)
        if replica is not None:
            size = self.workload.train.batch_per_replica
            samples = samples[replica * size : (replica + 1) * size]
        epoch = step // self.steps_per_epoch
        drawn: Draws = draws(
            self.seed, epoch, samples, architecture_of(self.workload), self.workload.input.shear_degrees
        )
        return Batch(
            pages=self.store.images[samples],
            labels=self.store.labels[samples],
            weight=np.ones(len(samples), np.float32),
            shear=drawn.shear,
            keep_block=drawn.keep_block,
            keep_unit=drawn.keep_unit,
        )


@dataclass(frozen=True)
class EvalBatches:
    """The evaluation batches of a split: every sample exactly once over all replicas, whatever their number.

    Replica r takes samples r, r + R, r + 2R, ...; all replicas take the same number of batches, the last ones filled
    up with rows of weight 0, so that shapes never change and no replica waits for a collective that another skips.
    """

    store: Store
    workload: Workload
    split: str
    replicas: int

    @property
    def num_batches(self) -> int:
        longest = -(-len(self.store.indices(self.split)) // self.replicas)
        return -(-longest // self.workload.train.batch_per_replica)

    def batch(self, index: int, replica: int) -> Batch:
        """Batch `index` of a replica."""
        size = self.workload.train.batch_per_replica
        samples = self.store.indices(self.split)[replica :: self.replicas][index * size : (index + 1) * size]
        arch = architecture_of(self.workload)
        page = (self.store.image_size, self.store.image_size)
        pages, labels, weight = np.zeros((size, *page), np.uint8), np.zeros(size, np.int32), np.zeros(size, np.float32)
        pages[: len(samples)] = self.store.images[samples]
        labels[: len(samples)] = self.store.labels[samples]
        weight[: len(samples)] = 1.0
        return Batch(
            pages=pages,
            labels=labels,
            weight=weight,
            shear=np.zeros(size, np.float32),
            keep_block=np.ones((size, len(arch.blocks)), np.float32),
            keep_unit=np.ones((size, arch.head_channels), np.float32),
        )
