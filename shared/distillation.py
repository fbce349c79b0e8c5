"""What a network learns from a teacher's logits beside its labels, in NumPy: what evaluation counts, and what the
wings' losses are compared with.

Sources: the objective is that of Adhikari et al. ("DocBERT", 2019), equation 1: the loss of the labels plus a weight
times KL(p || q), p the student's probabilities and q the teacher's. That is `direction` "student": the mean under the
student, the reverse of the usual one (Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015),
which is "teacher". The paper names no temperature (here 1 unless a workload says otherwise), no form for several labels
and no reduction. Ours: with one label a softmax over classes, the sum over classes; with several a Bernoulli for each
label, the mean over labels; both the mean over samples. At a temperature T both logits are divided by T, and the
divergence is multiplied by T * T: gradients become smaller by that, and the weight keeps its meaning (Hinton et al.,
section 2). "mse" is the mean over samples and classes of the squared difference of the logits themselves (Ba and
Caruana, "Do deep nets really need to be deep?", 2014); temperature has no part in it.

Legend of shapes: n samples, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_expit, log_softmax

from shared.ladder import Mutation
from shared.sections import Distillation
from shared.store import Store
from shared.task import Counts, DocumentTask, Metric, added

if TYPE_CHECKING:
    from shared.spec import Workload

METRICS = {
    "agreement": Metric("agreement with the teacher"),
    "divergence": Metric("divergence from the teacher", False, (0.0, float("inf"))),
}

# both move a loss that was right: the other direction is that of most libraries, the others are slips of a moment
MUTATIONS = (
    Mutation("the divergence turned round", "pt", "backward-fp64", "divergence_turned_round"),
    Mutation("the weight on the labels' loss", "tf", "backward-fp64", "weight_on_the_labels"),
    Mutation("the teacher's rows shifted by one", "pt", "input-fp64", "teacher_of_the_next_row"),
    Mutation("the teacher's rows by their place in the batch", "tf", "input-fp64", "teacher_by_place_in_the_batch"),
)


def settings_of(workload: Workload) -> Distillation:
    """The table of a workload whose task is distilled."""
    assert workload.distillation is not None, "a workload of such a task has the table"
    return workload.distillation


def loss_settings(workload: Workload, form: str) -> dict[str, Any]:
    """What the wings' losses are given: weight, direction, temperature, form.

    Args:
        form: of the task, where the workload names none.
    """
    settings = settings_of(workload).model_dump()
    return settings | {"form": form if settings["form"] == "task" else settings["form"]}


def divergence(student: np.ndarray, teacher: np.ndarray, direction: str, temperature: float, form: str) -> np.ndarray:
    """How far each sample's logits (n x K) are from the teacher's (n x K); float64, n.

    >>> one, other = np.array([[0.0, 0.0]]), np.array([[np.log(3.0), 0.0]])
    >>> divergence(one, other, "student", 1.0, "softmax").round(4)  # (log(2/3) + log 2) / 2, and the other way round
    array([0.1438])
    >>> divergence(one, other, "teacher", 1.0, "softmax").round(4)
    array([0.1308])
    """
    student, teacher = student.astype(np.float64), teacher.astype(np.float64)
    if form == "mse":
        return np.asarray(np.square(student - teacher).mean(1))
    student, teacher = student / temperature, teacher / temperature
    if form == "softmax":
        parts = [(log_softmax(student, 1), log_softmax(teacher, 1))]
    else:  # both outcomes of each label, so that no two large numbers are taken from each other
        parts = [(log_expit(sign * student), log_expit(sign * teacher)) for sign in (1.0, -1.0)]
    found = sum(np.exp(p) * (p - q) if direction == "student" else np.exp(q) * (q - p) for p, q in parts)
    each = np.asarray(found)
    return np.asarray(temperature**2 * (each.sum(1) if form == "softmax" else each.mean(1)))


def has_teacher(store: Store) -> bool:
    """Whether a store has a teacher's logits of its documents."""
    return store.teacher is not None and store.documents is None


def with_teacher(labels: np.ndarray, store: Store, samples: np.ndarray) -> np.ndarray:
    """Labels (size, or size x K) with the logits of the samples' teacher to their right; rows that only fill up have
    zeros. float32, which holds a class's number exactly."""
    assert store.teacher is not None, "the plan gives a store what its task reads"
    logits = np.zeros((len(labels), store.teacher.shape[1]), np.float32)
    logits[: len(samples)] = store.teacher[samples]
    return np.concatenate([labels.reshape(len(labels), -1).astype(np.float32), logits], 1)


class DistilledTally:
    """Adds up what a task counts of documents, and how far they are from their teacher."""

    def __init__(self, task: DocumentTask, store: Store, workload: Workload) -> None:
        self.task, self.store, self.sums = task, store, Counts()
        self.settings = task.loss_settings(workload)
        self.weight = self.settings.pop("weight")

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        assert self.store.teacher is not None, "the plan gives a store what its task reads"
        teacher = np.asarray(self.store.teacher[samples])
        counts = self.task.count(logits, self.store.labels[samples])
        apart = float(divergence(logits, teacher, **self.settings).sum())
        alike = self.task.predicted(logits) == self.task.predicted(teacher)
        counts["loss"] += self.weight * apart
        more = {"divergence": apart, "agreeing": int(alike.reshape(len(samples), -1).all(1).sum())}
        self.sums = added(self.sums, counts | more)

    def counts(self) -> Counts:
        """What the task counts; `loss` with the weighted `divergence`, which stands by itself too, and `agreeing`:
        samples of which the network says what its teacher says."""
        return self.sums


def scores(counts: Mapping[str, float]) -> dict[str, float]:
    """METRICS from the sums over a split; none where there are no samples."""
    if not counts["samples"] or "agreeing" not in counts:
        return {}
    samples = counts["samples"]
    # a divergence is never below 0 but for its rounding
    return {"agreement": counts["agreeing"] / samples, "divergence": max(0.0, counts["divergence"] / samples)}
