"""The judgement of each rung: two wings' answers in, figures against tolerances out.

Tolerances of a network are its family's (shared/families/NAME/ladder.py): float64 shows that the mathematics agree,
float32 that the very kernels that are timed do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from bench.verify.checks import Check, reaching, within
from bench.verify.compare import Arrays, distance, logit_error, norm, worst
from bench.verify.paired import POWER, mcnemar_p, smallest_difference
from bench.verify.tokens import token_checks
from shared.probe import Task
from shared.tasks import task_of

REPLICA_TOLERANCE = 1e-6  # float32, through the workers as they are timed
SIGNIFICANCE = 0.01  # of the paired test of accuracies
DISAGREEMENT_TOLERANCE = 0.02
SEEN_DIFFERENCE = 0.02  # the rung must be able to see a difference of two points
ABOVE_CHANCE = 2.0  # a task that neither wing learns would compare nothing


def parameters(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 1: names, shapes, values after loading, counts."""
    family = task.family
    arch = family.architecture(task.workload)
    shapes = family.parameter_shapes(arch)
    counts = {int(answer["num_trainable"]) for answer in (pt, tf)} | {family.num_trained(arch)}
    counted, published = family.ladder.counts(task.workload) or (0, 0)
    odd = [
        name
        for name in (set(pt) | set(tf) | set(shapes)) - {"num_trainable"}
        if not (name in pt and name in tf and pt[name].shape == tf[name].shape == shapes.get(name))
        or distance(pt[name], tf[name]) != 0.0
    ]
    return [
        within(1, task.name, "tensors with another name, shape or value", len(odd), 0, min(odd, default="")),
        within(1, task.name, "trained scalars: distinct counts", len(counts), 1, f"{min(counts):,}"),
        within(1, task.name, "difference from the published count", abs(counted - published), 0),
    ]


def tokens(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 2 of texts: the wings' own tokenisers on the very texts of a store."""
    return token_checks(tf["fast"], tf["exact"], pt["exact"], task.name)


def inputs(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 2: the same content, labels and draws in the same order, the same input of the network made of them."""
    tolerances = task.family.ladder.inputs
    exact = [name for name in set(pt) | set(tf) if name.rpartition(".")[0] not in tolerances]
    unequal = sorted(name for name in exact if name not in pt or name not in tf or distance(pt[name], tf[name]) != 0.0)
    checks = [
        within(2, task.name, "batches' content and draws that differ", len(unequal), 0, unequal[0] if unequal else "")
    ]
    for part, tolerance in tolerances.items():
        found = [name for name in pt if name.rpartition(".")[0] == part and name in tf]
        figure = max((distance(pt[name], tf[name]) / norm(tf[name]) for name in found), default=math.inf)
        checks.append(within(2, task.name, f"{part}, relative", figure, tolerance.of(task.precision)))
    return checks


def forward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 3: logits in evaluation mode, after a training-mode pass has set the statistics."""
    ladder, precision = task.family.ladder, task.precision
    figure = logit_error(pt["logits"], tf["logits"])
    checks = [within(3, task.name, "logits, share of the largest", figure, ladder.logits.of(precision))]
    names = task.family.parameter_shapes(task.family.architecture(task.workload))
    expected = {name for name in names if task.family.is_statistic(name)}
    ours, theirs = without(pt, "logits"), without(tf, "logits")
    if missing := expected - (ours.keys() & theirs.keys()):
        raise KeyError(min(missing))
    if expected:
        error, tensor = worst(ours, theirs)
        checks.append(within(3, task.name, "statistics", error, ladder.statistics.of(precision), tensor))
    return checks


def backward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 4: loss and every gradient, training mode, nothing dropped."""
    tolerance = task.family.ladder.gradients.of(task.precision)
    loss = abs(float(pt["loss"]) - float(tf["loss"])) / abs(float(tf["loss"]))
    error, tensor = worst(without(pt, "loss"), without(tf, "loss"))
    return [
        within(4, task.name, "loss", loss, tolerance),
        within(4, task.name, "gradients", error, tolerance, tensor),
    ]


def trajectory(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 5: the real optimizer, schedule, drops and shear for some steps: losses, weights, statistics."""
    tolerance = task.family.ladder.trajectory.of(task.precision)
    losses = float(np.max(np.abs(pt["losses"] - tf["losses"]) / np.abs(tf["losses"])))
    error, tensor = worst(without(pt, "losses"), without(tf, "losses"))
    return [
        within(5, task.name, f"losses of {task.steps} steps", losses, tolerance),
        within(5, task.name, "weights and statistics after them", error, tolerance, tensor),
    ]


def predictions(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 7: the classes that both wings predict for the same documents after the same training of some tens of steps.

    Rounding errors grow with the steps, so documents near a decision's boundary may go either way; a difference in what
    is computed late in a training (the order of a second epoch, the end of a schedule) moves many more.
    """
    labels, count = pt["labels"], len(pt["labels"])
    if not np.array_equal(labels, tf["labels"]):
        return [Check(7, task.name, "documents that differ", math.inf, 0.0, False, "not the same documents")]
    right_pt, right_tf = pt["right"], tf["right"]
    only_pt, only_tf = int((right_pt & ~right_tf).sum()), int((right_tf & ~right_pt).sum())
    apart = pt["predicted"] != tf["predicted"]
    disagreeing = float(np.mean(apart.reshape(count, -1).any(1)))
    shares = float(right_pt.mean()), float(right_tf.mean())
    seen = smallest_difference(count, (only_pt + only_tf) / count, SIGNIFICANCE)
    detail = f"accuracy {shares[0]:.3f} (pt) and {shares[1]:.3f} (tf), {only_pt} and {only_tf} of {count} by one alone"
    power = f"{count} documents, with a probability of {POWER:.0%} at p = {SIGNIFICANCE}"
    chance = ABOVE_CHANCE * task_of(task.workload).chance(task.workload.model.num_classes)
    return [
        within(7, task.name, "share of documents predicted otherwise", disagreeing, DISAGREEMENT_TOLERANCE),
        reaching(7, task.name, "p of equal accuracies", mcnemar_p(only_pt, only_tf), SIGNIFICANCE, detail),
        within(7, task.name, "smallest difference of accuracies that is seen", seen, SEEN_DIFFERENCE, power),
        within(7, task.name, "shortfall from twice chance", max(0.0, chance - min(shares)), 0.0),
    ]


def without(answer: Arrays, name: str) -> dict[str, np.ndarray]:
    """An answer less one entry."""
    return {key: value for key, value in answer.items() if key != name}


JUDGES: Mapping[str, Callable[[Task, Arrays, Arrays], list[Check]]] = {
    "parameters": parameters,
    "tokens": tokens,
    "input": inputs,
    "forward": forward,
    "backward": backward,
    "trajectory": trajectory,
    "predictions": predictions,
}
RUNG_OF = {
    "parameters": 1,
    "tokens": 2,
    "input": 2,
    "forward": 3,
    "backward": 4,
    "trajectory": 5,
    "replicas": 6,
    "predictions": 7,
}


def judge(task: Task, pt: Arrays | None, tf: Arrays | None, why_missing: str) -> list[Check]:
    """A task's checks; an answer that is not there or cannot be compared breaks its rung, it never skips it."""
    if pt is None or tf is None:
        return [Check(RUNG_OF[task.kind], task.name, "answers missing", math.inf, 0.0, False, why_missing)]
    try:
        return JUDGES[task.kind](task, pt, tf)
    except KeyError as missing:
        detail = f"an answer lacks {missing}"
        return [Check(RUNG_OF[task.kind], task.name, "answers incomplete", math.inf, 0.0, False, detail)]
