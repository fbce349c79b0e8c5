"""One class a document and a teacher's logits: cross-entropy plus the weighted divergence from the teacher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from shared import distillation
from shared.store import Store
from shared.task import Tally
from shared.tasks.classification import Classification

if TYPE_CHECKING:
    from shared.spec import Workload


class DistilledClassification(Classification):
    """One class a document, learnt from its label and from a teacher (`shared.distillation`)."""

    name = "distilled_classification"
    distils = "classification"
    mutations = distillation.MUTATIONS
    loss = "distilled_cross_entropy"
    labelled = "one label each and a teacher's logits"
    metrics = Classification.metrics | distillation.METRICS
    hashed = Classification.hashed | {"task": "distilled_classification"}

    def has_labels(self, store: Store) -> bool:
        return super().has_labels(store) and distillation.has_teacher(store)

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """float32, size x (1 + K): the class, the teacher's logits."""
        return distillation.with_teacher(super().labels(store, samples, size, num_classes), store, samples)

    def loss_settings(self, workload: Workload) -> dict[str, Any]:
        return distillation.loss_settings(workload, "softmax")

    def tally(self, store: Store, workload: Workload) -> Tally:
        return distillation.DistilledTally(self, store, workload)

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        return super().scores(counts) | distillation.scores(counts)


TASK = DistilledClassification()
