"""The losses of distillation in NumPy, with their gradients: what both wings' are compared with. And a taught store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, log_softmax, logsumexp, softmax

from bench.data.teacher import identity_of, taught
from shared.distillation import divergence
from shared.store import Store
from tests.text_stores import text_store

N, K = 6, 5
NAMES = ("distilled_cross_entropy", "distilled_binary_cross_entropy")
FORMS = ("softmax", "bernoulli", "mse")
DIRECTIONS = ("student", "teacher")


class Case(NamedTuple):
    """The arguments of a loss."""

    logits: np.ndarray
    labels: np.ndarray  # float32: the labels, the teacher's logits
    settings: dict[str, Any]

    @property
    def own(self) -> np.ndarray:
        """The labels (n x 1, or n x K)."""
        return self.labels[:, : -self.logits.shape[1]]

    @property
    def teacher(self) -> np.ndarray:
        return self.labels[:, -self.logits.shape[1] :].astype(np.float64)


def settings() -> Iterator[dict[str, Any]]:
    """Every form, direction and a temperature; the weight is one that would show on the wrong term."""
    for form in FORMS:
        for direction in DIRECTIONS:
            yield {"weight": 0.3, "direction": direction, "temperature": 2.5, "form": form}


def some(name: str, how: dict[str, Any], seed: int = 0, size: float = 3.0, dtype: type = np.float64) -> Case:
    """Random arguments of a loss."""
    rng = np.random.default_rng(seed)
    several = name == "distilled_binary_cross_entropy"
    own = (rng.random((N, K)) < 0.4) if several else rng.integers(0, K, (N, 1))
    teacher = (size * rng.standard_normal((N, K))).astype(np.float32)
    labels = np.concatenate([own.astype(np.float32), teacher], 1)
    return Case((size * rng.standard_normal((N, K))).astype(dtype), labels, how)


def value(name: str, case: Case) -> float:
    """The loss, by the formulas of the page that says what is computed, not by those that the wings have."""
    logits = case.logits.astype(np.float64)
    if name == "distilled_binary_cross_entropy":
        own = np.mean(np.logaddexp(0.0, logits) - logits * case.own)
    else:
        own = -np.mean(np.take_along_axis(log_softmax(logits, 1), case.own.astype(int), 1))
    how = {key: each for key, each in case.settings.items() if key != "weight"}
    return float(own + case.settings["weight"] * divergence(logits, case.teacher, **how).mean())


def written_out(student: np.ndarray, teacher: np.ndarray, how: dict[str, Any]) -> float:
    """The divergence, mean over samples, as it is written in papers: of probabilities; for logits of a few units."""
    if how["form"] == "mse":
        return float(np.mean((student - teacher) ** 2))
    factor = how["temperature"] ** 2
    s, t = student / how["temperature"], teacher / how["temperature"]
    if how["direction"] == "teacher":
        s, t = t, s
    if how["form"] == "softmax":
        p, q = softmax(s, 1), softmax(t, 1)
        return factor * float(np.mean(np.sum(p * np.log(p / q), 1)))
    plus = logsumexp(np.stack([np.zeros_like(s), s]), 0), logsumexp(np.stack([np.zeros_like(t), t]), 0)
    return factor * float(np.mean(expit(s) * (s - t) + plus[1] - plus[0]))


def gradient(name: str, case: Case) -> np.ndarray:
    """Of the loss by its logits."""
    logits, count = case.logits.astype(np.float64), len(case.logits)
    if name == "distilled_binary_cross_entropy":
        own = (expit(logits) - case.own) / logits.size
    else:
        own = (softmax(logits, 1) - np.eye(K)[case.own[:, 0].astype(int)]) / count
    how, weight = case.settings, case.settings["weight"]
    if how["form"] == "mse":
        return own + weight * 2.0 * (logits - case.teacher) / logits.size
    s, t = logits / how["temperature"], case.teacher / how["temperature"]
    if how["form"] == "bernoulli":
        apart = expit(s) * expit(-s) * (s - t) if how["direction"] == "student" else expit(s) - expit(t)
        apart = apart / logits.size
    elif how["direction"] == "teacher":
        apart = (softmax(s, 1) - softmax(t, 1)) / count
    else:
        p, ratio = softmax(s, 1), log_softmax(s, 1) - log_softmax(t, 1)
        apart = p * (ratio - (p * ratio).sum(1, keepdims=True)) / count
    return own + weight * how["temperature"] * apart


def share(case: Case, replica: int, replicas: int) -> Case:
    """A replica's samples."""
    rows = slice(replica * N // replicas, (replica + 1) * N // replicas)
    return case._replace(logits=case.logits[rows], labels=case.labels[rows])


SPLITS = (0,) * 12 + (1,) * 4 + (2,) * 4


def texts_of(count: int = len(SPLITS)) -> list[str]:
    """Texts of two kinds; the words of every other one are those of the other kind."""
    kinds = ("wheat corn grain harvest crop", "bank rate loan credit money")
    words = [kind.split() for kind in kinds]
    return [
        " ".join(words[row % 2][(row * 7 + place * 3) % 5] for place in range(6 + row % 5)) + f" number{row}"
        for row in range(count)
    ]


def plain_store(folder: Path, several: bool = False) -> Store:
    """A small store of texts."""
    count = len(SPLITS)
    labels = np.eye(2, dtype=np.uint8)[np.arange(count) % 2] if several else None
    return text_store(folder, texts_of(), SPLITS, labels)


def logits_of(store: Store, seed: int = 0) -> np.ndarray:
    """A teacher's logits: right as a rule, and of a row that can be told from every other's."""
    rng = np.random.default_rng(seed)
    right = store.labels if store.multi_label else np.eye(len(store.classes))[store.labels]
    return (4.0 * right - 2.0 + rng.standard_normal(right.shape)).astype(np.float32)


def taught_store(folder: Path, several: bool = False) -> Store:
    """A small store of texts with a teacher's logits."""
    store = plain_store(folder / "plain", several)
    return taught(store, logits_of(store), identity_of(store, "somebody", "0" * 64, "spec"), folder / "taught")
