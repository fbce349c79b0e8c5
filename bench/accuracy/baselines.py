"""Text classification without a network: tf-idf with linear models, and the most frequent label. What BERT has to beat.

The recipe is DocBERT's (arXiv:1904.08398, section 4): "the default logistic regression and support vector machine
implementations from Scikit-Learn, trained on the tf-idf vectors". Its version, 0.19.2, solved logistic regression with
liblinear by default, so that solver is asked for by name; today's default reaches the same F1 on Reuters to 0.02 points
in three times the time. Everything else is the library's default.

On Reuters (ModApte, 90 topics) a document's text is its title and its body: the body alone loses five points, and 926
documents have only a title. Trained on all 7,770 training documents, or on nine tenths of them, both models come within
half a point of DocBERT's test F1. DocBERT reports validation figures too, so it probably held a quarter back: trained
without a random quarter the support vector machine is still within a point of it, logistic regression 1.5 below.
`results/reference/reuters-baselines.md` has the figures.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_fscore_support
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from shared.errors import UserError
from shared.store import Store

SEED = 0  # LinearSVC visits the documents in a random order
LOGISTIC_REGRESSION, SUPPORT_VECTORS, MAJORITY = "tf-idf logistic regression", "tf-idf linear SVM", "majority label"


@dataclass(frozen=True)
class BaselineScore:
    """How well a baseline does on the test documents; micro-averaged shares from 0 to 1.

    Where every document has one label, F1, precision and recall are one figure: the accuracy.
    """

    name: str
    f1: float
    precision: float
    recall: float
    seconds: float  # to fit and to predict; of tf-idf models the vectors included


def tfidf_scores(
    train_texts: Sequence[str], train_labels: np.ndarray, test_texts: Sequence[str], test_labels: np.ndarray
) -> list[BaselineScore]:
    """Logistic regression and a linear support vector machine on tf-idf vectors, one binary problem per label.

    Args:
        train_texts, test_texts: one string a document.
        train_labels, test_labels: uint8, N x K, 1 where a document has a label; or int, N, where it has just one.

    Raises:
        UserError: texts without a single word, or training documents of one class only.
    """
    assert len(train_texts) == len(train_labels)
    assert len(test_texts) == len(test_labels)
    if train_labels.ndim == 1 and len(np.unique(train_labels)) < 2:
        raise UserError("the training documents are all of one class; a baseline needs at least two")
    begin = time.perf_counter()
    vectorizer = TfidfVectorizer()
    try:
        train_vectors = vectorizer.fit_transform(train_texts)
    except ValueError as error:  # "empty vocabulary"
        raise UserError(f"the training documents have no words to learn from ({error})") from None
    test_vectors = vectorizer.transform(test_texts)
    vector_seconds = time.perf_counter() - begin

    models = {
        LOGISTIC_REGRESSION: LogisticRegression(solver="liblinear", random_state=SEED),
        SUPPORT_VECTORS: LinearSVC(random_state=SEED),
    }
    scores = []
    for name, model in models.items():
        begin = time.perf_counter()
        with warnings.catch_warnings():
            # a label that no training document has is never predicted, which is what its score should say
            warnings.filterwarnings("ignore", message="Label not .* is present in all training examples")
            predicted = OneVsRestClassifier(model).fit(train_vectors, train_labels).predict(test_vectors)
        scores.append(score(name, test_labels, predicted, vector_seconds + time.perf_counter() - begin))
    return scores


def majority_baseline(train_labels: np.ndarray, test_labels: np.ndarray) -> BaselineScore:
    """Predict the training documents' most frequent label, and no other, for every test document.

    Args:
        train_labels, test_labels: as in `tfidf_scores`; of labels that are equally frequent the first counts.
    """
    begin = time.perf_counter()
    predicted = np.zeros_like(test_labels)
    if train_labels.ndim == 2:
        predicted[:, train_labels.sum(axis=0, dtype=np.int64).argmax()] = 1
    else:
        predicted[:] = np.bincount(train_labels).argmax()
    return score(MAJORITY, test_labels, predicted, time.perf_counter() - begin)


def store_scores(store: Store) -> dict[str, list[BaselineScore]]:
    """Every baseline on the test documents of a store: trained on `train`, then on `train + val` where it has both.

    No baseline has a setting to choose, so none needs `val` for that. What a network that leaves it out must beat is
    the first figure.

    Raises:
        UserError: no text in the store, or no documents in `train` or `test`.
    """
    if store.text is None:
        raise UserError(
            f"{store.path}: this store has no text; make one with `bench data prepare SOURCE PATH --ocr ENGINE`, or "
            "from documents that are text with `bench data prepare corpus FOLDER`"
        )
    train, val, test = (store.indices(split) for split in ("train", "val", "test"))
    for name, indices in (("train", train), ("test", test)):
        if not len(indices):
            raise UserError(f"{store.path}: no documents in {name}; prepare the store with a split that has some")
    parts = {"train": train} | ({"train + val": np.concatenate([train, val])} if len(val) else {})
    test_texts, test_labels = [store.text[index] for index in test], store.labels[test]
    return {
        name: [
            *tfidf_scores([store.text[index] for index in part], store.labels[part], test_texts, test_labels),
            majority_baseline(store.labels[part], test_labels),
        ]
        for name, part in parts.items()
    }


def score(name: str, truth: np.ndarray, predicted: np.ndarray, seconds: float) -> BaselineScore:
    """Micro-averaged precision, recall and F1 of predictions; 0 where nothing was predicted at all."""
    precision, recall, f1, _ = precision_recall_fscore_support(truth, predicted, average="micro", zero_division=0)
    return BaselineScore(name, float(f1), float(precision), float(recall), seconds)
