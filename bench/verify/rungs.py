"""The judgement of each rung: two wings' answers in, figures against tolerances out.

Where a tolerance comes from: the figures seen on EfficientNet B0, B2, B4 and on BERT (README "Verified" shows them),
with a decade of room for other machines' rounding; float64 shows that the mathematics agree, float32 that the very
kernels that are timed do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from bench.verify.checks import Check, reaching, within
from bench.verify.compare import Arrays, distance, logit_error, norm, worst
from bench.verify.paired import POWER, mcnemar_p, smallest_difference
from bench.verify.tokens import token_checks
from shared import bert
from shared.efficientnet import architecture, is_statistic
from shared.networks import architecture_of, num_trainable, parameter_shapes
from shared.probe import Task
from shared.sections import BertModel, EfficientNetModel

IMAGE_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-5}
STATISTIC_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-4}
LOGIT_TOLERANCE = {
    "efficientnet": {"fp64": 1e-12, "fp32": 1e-4},
    "bert": {"fp64": 1e-12, "fp32": 1e-5},
}
GRADIENT_TOLERANCE = {
    "efficientnet": {"fp64": 1e-11, "fp32": 1e-3},
    "bert": {"fp64": 1e-11, "fp32": 1e-4},
}
TRAJECTORY_TOLERANCE = {
    "efficientnet": {"fp64": 1e-12, "fp32": 1e-4},
    "bert": {"fp64": 1e-12, "fp32": 1e-4},
}
REPLICA_TOLERANCE = 1e-6  # float32, through the workers as they are timed
SIGNIFICANCE = 0.01  # of the paired test of accuracies
DISAGREEMENT_TOLERANCE = 0.02
SEEN_DIFFERENCE = 0.02  # the rung must be able to see a difference of two points
ABOVE_CHANCE = 2.0  # a task that neither wing learns would compare nothing

# trained scalars at 1000 classes, as published and as counted in both public implementations
PUBLISHED = {"b0": 5_288_548, "b1": 7_794_184, "b2": 9_109_994, "b3": 12_233_232, "b4": 19_341_616}
# by layers and features, with the published vocabulary and 512 positions, without the classifier
PUBLISHED_BERT = {(6, 768): 66_955_008, (12, 768): 109_482_240, (24, 1024): 335_141_888}
PUBLISHED_VOCABULARY, PUBLISHED_POSITIONS = 30_522, 512


def parameters(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 1: names, shapes, values after loading, counts."""
    arch = architecture_of(task.workload)
    shapes = parameter_shapes(arch)
    counts = {int(answer["num_trainable"]) for answer in (pt, tf)} | {num_trainable(arch)}
    odd = [
        name
        for name in (set(pt) | set(tf) | set(shapes)) - {"num_trainable"}
        if not (name in pt and name in tf and pt[name].shape == tf[name].shape == shapes.get(name))
        or distance(pt[name], tf[name]) != 0.0
    ]
    return [
        within(1, task.name, "tensors with another name, shape or value", len(odd), 0, min(odd, default="")),
        within(1, task.name, "trained scalars: distinct counts", len(counts), 1, f"{min(counts):,}"),
        within(1, task.name, "difference from the published count", from_published(task.workload.model), 0),
    ]


def from_published(model: EfficientNetModel | BertModel) -> int:
    """How far a network of the published size is from its published count; 0 for a size that was not published."""
    if isinstance(model, EfficientNetModel):
        published = PUBLISHED.get(model.variant)
        return 0 if published is None else abs(num_trainable(architecture(model.variant, 1000)) - published)
    published = PUBLISHED_BERT.get((model.num_layers, model.hidden_size))
    if published is None:
        return 0
    arch = bert.Architecture(
        num_layers=model.num_layers,
        hidden_size=model.hidden_size,
        num_heads=model.num_heads,
        intermediate_size=model.intermediate_size,
        max_positions=PUBLISHED_POSITIONS,
        vocabulary_size=PUBLISHED_VOCABULARY,
        num_classes=1,
        norm_epsilon=model.norm_epsilon,
        hidden_dropout=model.hidden_dropout,
        classifier_dropout=model.classifier_dropout,
    )
    return abs(num_trainable(arch) - (model.hidden_size + 1) - published)


def tokens(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 2 of texts: the wings' own tokenisers on the very texts of a store."""
    return token_checks(tf["fast"], tf["exact"], pt["exact"], task.name)


def inputs(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 2: the same pages, labels and draws in the same order, the same pixels after augmentation."""
    exact = [name for name in set(pt) | set(tf) if not name.startswith("images.")]
    unequal = sorted(name for name in exact if name not in pt or name not in tf or distance(pt[name], tf[name]) != 0.0)
    images = [name for name in pt if name.startswith("images.")]
    unequal_check = within(
        2, task.name, "batches' content and draws that differ", len(unequal), 0, unequal[0] if unequal else ""
    )
    if task.is_text:
        return [unequal_check]
    figure = max((distance(pt[name], tf[name]) / norm(tf[name]) for name in images if name in tf), default=math.inf)
    return [
        unequal_check,
        within(2, task.name, "augmented pixels, relative", figure, IMAGE_TOLERANCE[task.precision]),
    ]


def forward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 3: logits in evaluation mode, after a training-mode pass has set the statistics."""
    logits = logit_error(pt["logits"], tf["logits"])
    logits_check = within(
        3,
        task.name,
        "logits, share of the largest",
        logits,
        LOGIT_TOLERANCE[task.workload.model.family][task.precision],
    )
    if task.is_text:  # no statistics
        return [logits_check]
    error, tensor = worst(statistics(pt), statistics(tf))
    return [
        logits_check,
        within(3, task.name, "batch-norm statistics", error, STATISTIC_TOLERANCE[task.precision], tensor),
    ]


def backward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 4: loss and every gradient, training mode, nothing dropped."""
    tolerance = GRADIENT_TOLERANCE[task.workload.model.family][task.precision]
    loss = abs(float(pt["loss"]) - float(tf["loss"])) / abs(float(tf["loss"]))
    error, tensor = worst(without(pt, "loss"), without(tf, "loss"))
    return [
        within(4, task.name, "loss", loss, tolerance),
        within(4, task.name, "gradients", error, tolerance, tensor),
    ]


def trajectory(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 5: the real optimizer, schedule, drops and shear for some steps: losses, weights, statistics."""
    tolerance = TRAJECTORY_TOLERANCE[task.workload.model.family][task.precision]
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
    right_pt, right_tf = pt["predicted"] == labels, tf["predicted"] == labels
    only_pt, only_tf = int((right_pt & ~right_tf).sum()), int((right_tf & ~right_pt).sum())
    disagreeing = float(np.mean(pt["predicted"] != tf["predicted"]))
    shares = float(right_pt.mean()), float(right_tf.mean())
    seen = smallest_difference(count, (only_pt + only_tf) / count, SIGNIFICANCE)
    detail = f"accuracy {shares[0]:.3f} (pt) and {shares[1]:.3f} (tf), {only_pt} and {only_tf} of {count} by one alone"
    power = f"{count} documents, with a probability of {POWER:.0%} at p = {SIGNIFICANCE}"
    chance = ABOVE_CHANCE / task.workload.model.num_classes
    return [
        within(7, task.name, "share of documents predicted otherwise", disagreeing, DISAGREEMENT_TOLERANCE),
        reaching(7, task.name, "p of equal accuracies", mcnemar_p(only_pt, only_tf), SIGNIFICANCE, detail),
        within(7, task.name, "smallest difference of accuracies that is seen", seen, SEEN_DIFFERENCE, power),
        within(7, task.name, "shortfall from twice chance", max(0.0, chance - min(shares)), 0.0),
    ]


def statistics(answer: Arrays) -> dict[str, np.ndarray]:
    """The batch-norm statistics of an answer."""
    return {name: value for name, value in answer.items() if is_statistic(name)}


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
