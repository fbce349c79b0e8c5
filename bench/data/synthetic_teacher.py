"""The teacher of synthetic texts: a logistic regression on bags of words, fitted where the suite runs.

It stands in where nobody names a teacher, so that distilled workloads are timed, verified and gated without one. It
sees the training split alone, like any teacher.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from bench.data.teacher import Identity, identity_of, taught
from shared.store import Store

TEACHER_VERSION = "1"  # part of its identity: raise it when the same texts would give other logits
NAME = "logistic regression on bags of words"
STRENGTH = 1.0  # inverse of the regularisation
DECIMALS = 2  # of a logit: what a solver's last digits are on another machine is no part of it
NEVER = -6.0  # logit of a class that no training document has


def teacher_of(store: Store) -> Identity:
    """The identity of the teacher of a store's texts; it is fitted on them: their digest says which weights it has."""
    weights = hashlib.sha256(f"{TEACHER_VERSION} {NAME} {store.digest}".encode()).hexdigest()
    return identity_of(store, NAME, weights, f"version {TEACHER_VERSION}")


def with_synthetic_teacher(store: Store, out: Path) -> Store:
    """A store of synthetic texts with the logits of their teacher; reused where it is there."""
    if out.is_dir():
        return taught(store, np.zeros((0, 0), np.float32), teacher_of(store), out)
    return taught(store, logits_of(store), teacher_of(store), out)


def logits_of(store: Store) -> np.ndarray:
    """The teacher's logits of every document (float32, N x K): of one label for a softmax, of several for a sigmoid."""
    assert store.text is not None, "synthetic texts"
    train = store.indices("train")
    texts = [store.text[row] for row in range(len(store.text))]
    vectorizer = CountVectorizer()
    vectorizer.fit(texts[row] for row in train)
    words = vectorizer.transform(texts).astype(np.float64)
    labels = store.labels[train]
    if store.multi_label:
        columns = [one_label(words, words[train], labels[:, k]) for k in range(len(store.classes))]
        logits = np.stack(columns, 1)
    else:
        logits = one_class(words, words[train], labels, len(store.classes))
    return np.round(logits, DECIMALS).astype(np.float32)


def fitted(words: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    """The model, at the one optimum that its regularised loss has."""
    model = LogisticRegression(C=STRENGTH, tol=1e-9, max_iter=2000)
    # one thread: sums in one order, and a machine that is busy elsewhere is not waited for
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: logits are rounded
        warnings.filterwarnings("ignore", message="The number of unique classes")  # the rungs' texts are few
        model.fit(words, labels)
    return model


def one_label(words: np.ndarray, training: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Logits (N) of a label; its frequency alone where all training documents have it, or none."""
    positive, count = int(labels.sum()), len(labels)
    if not 0 < positive < count:
        return np.full(words.shape[0], np.log((positive + 0.5) / (count - positive + 0.5)))
    return np.asarray(fitted(training, labels).decision_function(words))


def one_class(words: np.ndarray, training: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Logits (N x K) of the classes."""
    logits, there = np.full((words.shape[0], num_classes), NEVER), np.unique(labels)
    if len(there) < 2:
        logits[:, there] = 0.0
        return logits
    found = fitted(training, labels).decision_function(words)
    logits[:, there] = np.stack([-found / 2, found / 2], 1) if found.ndim == 1 else found
    return logits
