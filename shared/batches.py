"""Which samples make up which batch: the same for both wings, any replicas, any workers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.draws import order
from shared.pages import PageBatch, page_batch
from shared.spec import ImageWorkload, TextWorkload, Workload
from shared.store import Store
from shared.texts import TextBatch, bucket, text_batch

Batch = PageBatch | TextBatch
SMALLEST_PAGE = 32  # pixels: the networks halve a page five times


def assemble(
    store: Store,
    workload: Workload,
    samples: np.ndarray,
    size: int,
    drawn: tuple[int, int] | None,
    together: np.ndarray,
) -> Batch:
    """The batch of some samples.

    Args:
        size: rows; those behind the samples have weight 0.
        drawn: seed and epoch of the samples' draws; None (evaluation): nothing is drawn.
        together: all replicas' samples of this step: they share the width that their longest text asks for.
    """
    if isinstance(workload, TextWorkload):
        assert store.lengths is not None, "the plan gives text workloads a store with tokens"
        longest = int(store.lengths[together].max(initial=1))
        return text_batch(store, workload, samples, size, drawn, bucket(longest, workload.input))
    assert isinstance(workload, ImageWorkload)
    return page_batch(store, workload, samples, size, drawn)


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

    def samples(self, step: int, replica: int | None = None) -> np.ndarray:
        """Sample indices (int64) of a step counted over the whole training: a replica's share, or with None all."""
        epoch, position = divmod(step, self.steps_per_epoch)
        permutation = order(self.seed, epoch, len(self.indices))
        samples = self.indices[permutation[position * self.global_batch : (position + 1) * self.global_batch]]
        if replica is None:
            return samples
        size = self.workload.train.batch_per_replica
        return samples[replica * size : (replica + 1) * size]

    def batch(self, step: int, replica: int | None = None) -> Batch:
        """A replica's share of a step, or with None the whole global batch."""
        samples = self.samples(step, replica)
        drawn = (self.seed, step // self.steps_per_epoch)
        return assemble(self.store, self.workload, samples, len(samples), drawn, self.samples(step))

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that a batch may have: those of the buckets; for pages there is nothing to choose."""
        if not isinstance(self.workload, TextWorkload):
            return (0,)
        return (*sorted(self.workload.input.buckets), self.workload.input.max_tokens)

    def filler(self, width: int) -> Batch:
        """A replica's batch of no samples, of one of the `widths`: for a program that is compiled by shapes."""
        size, drawn, none = self.workload.train.batch_per_replica, (self.seed, 0), np.zeros(0, np.int64)
        if isinstance(self.workload, TextWorkload):
            return text_batch(self.store, self.workload, none, size, drawn, width)
        assert isinstance(self.workload, ImageWorkload)
        return page_batch(self.store, self.workload, none, size, drawn)

    def smallest(self) -> Batch:
        """The smallest batch that the network trains on: what costs little but its operations.

        Two pages of 32 x 32 pixels (batch-norm needs more than one value a channel), or one text of one token.
        """
        batch = self.filler(1)
        if isinstance(batch, TextBatch):
            return TextBatch(*(array[:1] for array in batch))
        cut = PageBatch(*(array[:2] for array in batch))
        return cut._replace(pages=cut.pages[:, :SMALLEST_PAGE, :SMALLEST_PAGE])

    def num_tokens(self, step: int, replica: int) -> int | None:
        """Tokens in a replica's share of a step, padding not counted; None for pages."""
        lengths = self.store.lengths if isinstance(self.workload, TextWorkload) else None
        return None if lengths is None else int(lengths[self.samples(step, replica)].sum())


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

    @cached_property
    def indices(self) -> np.ndarray:
        """The split's samples (int64, ascending)."""
        return self.store.indices(self.split)

    @property
    def num_batches(self) -> int:
        longest = -(-len(self.indices) // self.replicas)
        return -(-longest // self.workload.train.batch_per_replica)

    def samples(self, index: int, replica: int) -> np.ndarray:
        """Sample indices (int64) of batch `index` of a replica; at the end fewer than the batch has rows."""
        size = self.workload.train.batch_per_replica
        return self.indices[replica :: self.replicas][index * size : (index + 1) * size]

    def batch(self, index: int, replica: int) -> Batch:
        """Batch `index` of a replica."""
        size = self.workload.train.batch_per_replica
        together = self.indices[index * size * self.replicas : (index + 1) * size * self.replicas]
        return assemble(self.store, self.workload, self.samples(index, replica), size, None, together)
