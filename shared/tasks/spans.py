"""The answer to a question as a span of the document's words: cross-entropy of its first and last token, average
normalised Levenshtein similarity of its text (Mathew et al., DocVQA, WACV 2021, section 5; Xu et al., LayoutLMv2, ACL
2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Levenshtein
from scipy.special import log_softmax

from shared.errors import UserError
from shared.modalities import Parts
from shared.store import NO_LABEL, Store
from shared.task import Counts, Decisions, Head, Metric, Task
from shared.words import Words, folded, read_words

if TYPE_CHECKING:
    from shared.spec import Workload

LONGEST_ANSWER = 64  # tokens
NO_ANSWER = 0  # the token, [CLS], that stands for an answer that is not in a window
LEAST = 0.5  # similarity that counts at all: an answer is right with slips of the OCR, not with other words


def similarity(given: str, answers: Sequence[str]) -> float:
    """Average normalised Levenshtein similarity of an answer: that to the most similar right one, 0 below one half.

    >>> similarity("Paris ", ["paris", "Lutetia"]), similarity("ab", ["ac"]), similarity("abc", ["ade"])
    (1.0, 0.5, 0.0)
    """
    bare = folded(given)
    best = 0.0
    for answer in map(folded, answers):
        longer = max(len(bare), len(answer))
        best = max(best, 1.0 - Levenshtein.distance(bare, answer) / longer if longer else 1.0)
    return best if best >= LEAST else 0.0


def best_spans(logits: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The likeliest span of each row that lies in the document's words.

    Args:
        logits: n x T x 2. words: n x T, -1 for a token that is of no word.

    Returns:
        by how much its score is above that of no answer (float64, n), its first and its last token (int64, n).
    """
    exact = np.where((words >= 0)[..., None], logits.astype(np.float64), -np.inf)
    first, last = exact[..., 0], exact[..., 1]
    count, width = words.shape
    best, begin, end = np.full(count, -np.inf), np.zeros(count, np.int64), np.zeros(count, np.int64)
    rows = np.arange(count)
    for length in range(min(LONGEST_ANSWER, width)):
        scores = first[:, : width - length] + last[:, length:]
        place = scores.argmax(1)
        better = scores[rows, place] > best
        best = np.where(better, scores[rows, place], best)
        begin, end = np.where(better, place, begin), np.where(better, place + length, end)
    return best - logits[:, NO_ANSWER].astype(np.float64).sum(-1), begin, end


class Spans(Task):
    """First and last token of an answer."""

    name = "spans"
    head: Head = "span"
    parts: Parts = "questions"
    loss = "span_cross_entropy"
    weighted = True
    labelled = "questions with answers"
    headline = "anls"
    metrics = {"anls": Metric("ANLS"), "exact": Metric("exact answers")}
    hashed = {"task": "spans"}

    def has_labels(self, store: Store) -> bool:
        return store.questions is not None and store.token_tags is None

    def outputs(self, store: Store) -> int:
        """The first token and the last."""
        return 2

    def synthetic_outputs(self, num_classes: int) -> int:
        return 2

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """int32, size x 2."""
        labels = np.full((size, 2), NO_LABEL, np.int32)
        labels[: len(samples)] = answers_of(store)[samples]
        return labels

    def weights(self, store: Store, workload: Workload, size: int, together: np.ndarray) -> np.ndarray:
        """With them the mean over samples is the mean over those of the global batch that have an answer."""
        labelled = int((answers_of(store)[together, 0] != NO_LABEL).sum())
        return np.full((size, 1), len(together) / max(labelled, 1), np.float32)

    def tally(self, store: Store, workload: Workload) -> SpanTally:
        return SpanTally(store)

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        asked = counts["samples"]
        return {"anls": counts["similarity"] / asked, "exact": counts["exact"] / asked} if asked else {}

    def decisions(self, store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray) -> Decisions:
        """A decision is a row's span, as one number."""
        width = logits.shape[1]
        assert store.token_words is not None, "the plan gives a store what its workload reads"
        _, begin, end = best_spans(logits, store.token_words[samples])
        labels = answers_of(store)[samples].astype(np.int64)
        there = labels[:, 0] > NO_ANSWER
        return Decisions((begin * width + end)[there], (labels[:, 0] * width + labels[:, 1])[there])

    def right(self, decisions: Decisions) -> np.ndarray:
        return np.asarray(decisions.predicted == decisions.labels)

    def chance(self, num_classes: int) -> float:
        """Nobody guesses a span."""
        return 0.0


class SpanTally:
    """The answers to a split's questions: of a document's windows, that of the surest."""

    def __init__(self, store: Store) -> None:
        self.store = store
        words = read_words(store)
        assert words is not None, "the plan gives a store what its workload reads"
        self.words: Words = words
        self.best: dict[int, tuple[float, int, int, int]] = {}  # by question: score, document, first and last word
        self.loss = 0.0

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        store = self.store
        assert store.token_words is not None and store.groups is not None and store.documents is not None
        of_token, labels = store.token_words[samples], answers_of(store)[samples].astype(np.int64)
        score, begin, end = best_spans(logits, of_token)
        exact = log_softmax(logits.astype(np.float64), 1)
        for row, sample in enumerate(samples.tolist()):
            if labels[row, 0] != NO_LABEL:
                self.loss -= float(exact[row, labels[row, 0], 0] + exact[row, labels[row, 1], 1]) / 2
            said = (float(score[row]), int(store.documents[sample]), int(of_token[row, begin[row]]),
                    int(of_token[row, end[row]]))  # fmt: skip
            question = int(store.groups[sample])
            self.best[question] = max(self.best.get(question, said), said)

    def counts(self) -> Counts:
        """Questions with answers (`samples`), their `similarity` and how many are answered `exact`ly; `loss` is summed
        over rows."""
        assert self.store.groups is not None and self.store.documents is not None and self.store.questions is not None
        asked, similar, exact = 0, 0.0, 0
        groups, documents = np.asarray(self.store.groups), np.asarray(self.store.documents)
        for question, (_, document, first, last) in sorted(self.best.items()):
            number = question - int(groups[np.searchsorted(documents, document)])
            asked_of = self.store.questions_of(document)
            if number >= len(asked_of):
                raise UserError(f"{self.store.path}: document {document} lacks question {number}; prepare it again")
            _, answers = asked_of[number]
            if not answers:
                continue
            words = self.words.page(document)[first : last + 1] if first >= 0 else []
            given = " ".join(word.text for word in words)
            asked += 1
            similar += similarity(given, answers)
            exact += folded(given) in map(folded, answers)
        return {"samples": asked, "loss": self.loss, "similarity": similar, "exact": exact}


def answers_of(store: Store) -> np.ndarray:
    """First and last token of every row's answer (int32, N x 2)."""
    assert store.answers is not None, "the plan gives a store what its workload reads"
    return store.answers


TASK = Spans()
