"""Which samples make up which batch: the same for both wings, any replicas, any workers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shared.draws import order
from shared.families import family_of
from shared.family import AnyFamily, Batch, Drawn
from shared.spec import Workload
from shared.store import Store
from shared.tasks import task_of


def assemble(
    store: Store,
    workload: Workload,
    samples: np.ndarray,
    size: int,
    drawn: Drawn,
    together: np.ndarray,
    width: int | None = None,
) -> Batch:
    """The batch of some samples.

    Args:
        size: rows; those behind the samples only fill the batch up.
        drawn: seed and epoch of the samples' draws; None (evaluation): nothing is drawn.
        together: all replicas' samples of this step: they share the width that their longest asks for, and the factors
            that make the mean over replicas one over what is labelled.
        width: another than their longest asks for.
    """
    family, task = family_of(workload), task_of(workload)
    wide = family.width(store, workload, together) if width is None else width
    batch: Batch = family.batch(store, workload, samples, size, drawn, wide)
    return batch._replace(weights=task.weights(store, workload, size, together)) if task.weighted else batch


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
        batch = assemble(self.store, self.workload, samples, len(samples), drawn, self.samples(step))
        of_step: Batch = self._family.drawn_for_a_step(batch, self.seed, step)
        return of_step

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths that a batch may have (`Family.widths`)."""
        return self._family.widths(self.workload)

    def filler(self, width: int) -> Batch:
        """A replica's batch of no samples, of one of the `widths`: for a program that is compiled by shapes."""
        size, none = self.workload.train.batch_per_replica, np.zeros(0, np.int64)
        return assemble(self.store, self.workload, none, size, (self.seed, 0), none, width)

    def smallest(self) -> Batch:
        """The smallest batch that the network trains on: what costs little but its operations."""
        return self._family.smallest(self.filler(self.widths[0]))

    def num_tokens(self, step: int, replica: int) -> int | None:
        """Tokens in a replica's share of a step, padding not counted; None where the network reads none."""
        return self._family.num_tokens(self.store, self.samples(step, replica))

    @property
    def _family(self) -> AnyFamily:
        return family_of(self.workload)


@dataclass(frozen=True)
class EvalBatches:
    """The evaluation batches of a split: every sample exactly once over all replicas, whatever their number.

    Replica r takes samples r, r + R, r + 2R, ...; where some are judged together (windows of a document), such groups
    are dealt out like that, so that one replica has all of a group. All replicas take the same number of batches, the
    last ones filled up with rows of no sample, so that shapes never change and no replica waits for a collective that
    another skips.
    """

    store: Store
    workload: Workload
    split: str
    replicas: int

    @cached_property
    def indices(self) -> np.ndarray:
        """The split's samples (int64, ascending)."""
        return self.store.indices(self.split)

    @cached_property
    def shares(self) -> tuple[np.ndarray, ...]:
        """Each replica's samples (int64, ascending)."""
        if self.store.groups is None:
            return tuple(self.indices[replica :: self.replicas] for replica in range(self.replicas))
        _, number = np.unique(self.store.groups[self.indices], return_inverse=True)
        return tuple(self.indices[number % self.replicas == replica] for replica in range(self.replicas))

    @property
    def num_batches(self) -> int:
        return -(-max(map(len, self.shares)) // self.workload.train.batch_per_replica)

    def samples(self, index: int, replica: int) -> np.ndarray:
        """Sample indices (int64) of batch `index` of a replica; at the end fewer than the batch has rows."""
        size = self.workload.train.batch_per_replica
        return self.shares[replica][index * size : (index + 1) * size]

    def batch(self, index: int, replica: int) -> Batch:
        """Batch `index` of a replica."""
        size = self.workload.train.batch_per_replica
        together = np.concatenate([self.samples(index, each) for each in range(self.replicas)])
        return assemble(self.store, self.workload, self.samples(index, replica), size, None, together)
