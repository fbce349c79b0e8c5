"""The judgement of each rung: two wings' answers in, figures against tolerances out (DESIGN section 7).

Where a tolerance comes from: the figure seen on the variants B0, B2 and B4 (README "Verified" shows them), with a
decade of room for other machines' rounding; float64 shows that the mathematics agree, float32 that the very kernels
that are timed do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from bench.verify.compare import Arrays, distance, logit_error, norm, worst
from shared.batches import architecture_of
from shared.efficientnet import architecture, is_statistic, num_trainable, parameter_shapes
from shared.probe import Task

IMAGE_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-5}
LOGIT_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-4}
STATISTIC_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-4}
GRADIENT_TOLERANCE = {"fp64": 1e-11, "fp32": 1e-3}
TRAJECTORY_TOLERANCE = {"fp64": 1e-12, "fp32": 1e-4}
REPLICA_TOLERANCE = 1e-6  # float32, through the workers as they are timed
ACCURACY_SIGNIFICANCE = 0.01
ACCURACY_ABOVE_CHANCE = 2.0  # a task that neither wing learns would compare nothing

# trained scalars at 1000 classes, as published and as counted in both public implementations
PUBLISHED = {"b0": 5_288_548, "b1": 7_794_184, "b2": 9_109_994, "b3": 12_233_232, "b4": 19_341_616}


@dataclass(frozen=True)
class Check:
    """One figure against its tolerance."""

    rung: int
    name: str
    what: str
    figure: float
    tolerance: float
    passed: bool
    detail: str = ""

    def line(self) -> str:
        """For people."""
        verdict = "ok    " if self.passed else "BROKEN"
        text = f"{verdict} {self.rung} {self.name}: {self.what} {self.figure:.2g} (tolerance {self.tolerance:.2g})"
        return f"{text}, {self.detail}" if self.detail else text

    def as_dict(self) -> dict[str, Any]:
        """For the certificate; JSON has no infinity."""
        return asdict(self) | {"figure": self.figure if math.isfinite(self.figure) else str(self.figure)}


def within(rung: int, name: str, what: str, figure: float, tolerance: float, detail: str = "") -> Check:
    """A check that holds where the figure does not exceed the tolerance (NaN exceeds everything)."""
    return Check(rung, name, what, figure, tolerance, bool(figure <= tolerance), detail)


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
    variant = task.workload.model.variant
    off = abs(num_trainable(architecture(variant, 1000)) - PUBLISHED[variant]) if variant in PUBLISHED else 0
    return [
        within(1, task.name, "tensors with another name, shape or value", len(odd), 0, min(odd, default="")),
        within(1, task.name, "trained scalars: distinct counts", len(counts), 1, f"{min(counts):,}"),
        within(1, task.name, "difference from the published count at 1000 classes", off, 0),
    ]


def inputs(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 2: the same pages, labels and draws in the same order, the same pixels after augmentation."""
    exact = [name for name in set(pt) | set(tf) if not name.startswith("images.")]
    unequal = sorted(name for name in exact if name not in pt or name not in tf or distance(pt[name], tf[name]) != 0.0)
    images = [name for name in pt if name.startswith("images.")]
    figure = max((distance(pt[name], tf[name]) / norm(tf[name]) for name in images if name in tf), default=math.inf)
    return [
        within(
            2, task.name, "batches' pages, labels and draws that differ", len(unequal), 0, unequal[0] if unequal else ""
        ),
        within(2, task.name, "augmented pixels, relative", figure, IMAGE_TOLERANCE[task.precision]),
    ]


def forward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 3: logits in evaluation mode, after a training-mode pass has set the statistics."""
    logits = logit_error(pt["logits"], tf["logits"])
    error, tensor = worst(statistics(pt), statistics(tf))
    return [
        within(3, task.name, "logits, share of the largest", logits, LOGIT_TOLERANCE[task.precision]),
        within(3, task.name, "batch-norm statistics", error, STATISTIC_TOLERANCE[task.precision], tensor),
    ]


def backward(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 4: loss and every gradient, training mode, nothing dropped."""
    tolerance = GRADIENT_TOLERANCE[task.precision]
    loss = abs(float(pt["loss"]) - float(tf["loss"])) / abs(float(tf["loss"]))
    error, tensor = worst(without(pt, "loss"), without(tf, "loss"))
    return [
        within(4, task.name, "loss", loss, tolerance),
        within(4, task.name, "gradients", error, tolerance, tensor),
    ]


def trajectory(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 5: the real optimizer, schedule, drops and shear for some steps: losses, weights, statistics."""
    tolerance = TRAJECTORY_TOLERANCE[task.precision]
    losses = float(np.max(np.abs(pt["losses"] - tf["losses"]) / np.abs(tf["losses"])))
    error, tensor = worst(without(pt, "losses"), without(tf, "losses"))
    return [
        within(5, task.name, f"losses of {task.steps} steps", losses, tolerance),
        within(5, task.name, "weights and statistics after them", error, tolerance, tensor),
    ]


def accuracy(task: Task, pt: Arrays, tf: Arrays) -> list[Check]:
    """Rung 7: final accuracies over several seeds, a two-proportion z-test of wing against wing."""
    classes = task.workload.model.num_classes
    shares = [float(answer["correct"].sum() / answer["total"].sum()) for answer in (pt, tf)]
    p_value = two_proportion_p(
        float(pt["correct"].sum()), float(pt["total"].sum()), float(tf["correct"].sum()), float(tf["total"].sum())
    )
    detail = f"accuracy {shares[0]:.3f} (pt) and {shares[1]:.3f} (tf), p = {p_value:.2g}, {len(task.seeds)} seeds"
    chance = ACCURACY_ABOVE_CHANCE / classes
    return [
        within(7, task.name, "1 - p of a difference", 1.0 - p_value, 1.0 - ACCURACY_SIGNIFICANCE, detail),
        within(7, task.name, "shortfall from twice chance", max(0.0, chance - min(shares)), 0.0),
    ]


def two_proportion_p(correct_a: float, total_a: float, correct_b: float, total_b: float) -> float:
    """Two-sided p of equal proportions (normal approximation).

    >>> round(two_proportion_p(90, 100, 80, 100), 3), two_proportion_p(5, 10, 5, 10)
    (0.048, 1.0)
    """
    pooled = (correct_a + correct_b) / (total_a + total_b)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / total_a + 1 / total_b))
    gap = abs(correct_a / total_a - correct_b / total_b)
    if gap == 0.0:
        return 1.0
    return 2.0 * (1.0 - NormalDist().cdf(gap / deviation)) if deviation else 0.0


def statistics(answer: Arrays) -> dict[str, np.ndarray]:
    """The batch-norm statistics of an answer."""
    return {name: value for name, value in answer.items() if is_statistic(name)}


def without(answer: Arrays, name: str) -> dict[str, np.ndarray]:
    """An answer less one entry."""
    return {key: value for key, value in answer.items() if key != name}


JUDGES: Mapping[str, Callable[[Task, Arrays, Arrays], list[Check]]] = {
    "parameters": parameters,
    "input": inputs,
    "forward": forward,
    "backward": backward,
    "trajectory": trajectory,
    "accuracy": accuracy,
}
RUNG_OF = {"parameters": 1, "input": 2, "forward": 3, "backward": 4, "trajectory": 5, "replicas": 6, "accuracy": 7}


def judge(task: Task, pt: Arrays | None, tf: Arrays | None, why_missing: str) -> list[Check]:
    """A task's checks; an answer that is not there or cannot be compared breaks its rung, it never skips it."""
    if pt is None or tf is None:
        return [Check(RUNG_OF[task.kind], task.name, "answers missing", math.inf, 0.0, False, why_missing)]
    try:
        return JUDGES[task.kind](task, pt, tf)
    except KeyError as missing:
        detail = f"an answer lacks {missing}"
        return [Check(RUNG_OF[task.kind], task.name, "answers incomplete", math.inf, 0.0, False, detail)]
