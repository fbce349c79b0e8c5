"""A tag for each word, B-X, I-X or O, and the entities that they make up: cross-entropy, F1 of whole entities.

Xu et al., LayoutLMv2 (ACL 2021), section 3.2: FUNSD, CORD, SROIE, Kleister-NDA.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from shared.entities import entities
from shared.modalities import Parts
from shared.store import NO_LABEL, Store
from shared.task import Counts, Decisions, Head, Metric, Task, micro_f1

if TYPE_CHECKING:
    from shared.spec import Workload

SYNTHETIC_TAGS = 7  # of the synthetic forms: O, and B- and I- of three entities


class Tags(Task):
    """A tag for the first token of each word."""

    name = "tags"
    head: Head = "tokens"
    parts: Parts = "windows"
    loss = "token_cross_entropy"
    weighted = True
    labelled = "tagged words"
    headline = "f1"
    metrics = {
        "f1": Metric("entity F1"),
        "precision": Metric("entity precision"),
        "recall": Metric("entity recall"),
        "accuracy": Metric("accuracy of words"),
    }
    hashed = {"task": "tags"}

    def has_labels(self, store: Store) -> bool:
        return bool(store.tags) and store.answers is None

    def outputs(self, store: Store) -> int:
        """One a tag."""
        return len(store.tags)

    def synthetic_outputs(self, num_classes: int) -> int:
        return SYNTHETIC_TAGS

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """int32, size x T."""
        tags = rows_of(store)
        labels = np.full((size, tags.shape[1]), NO_LABEL, np.int32)
        labels[: len(samples)] = tags[samples]
        return labels

    def weights(self, store: Store, workload: Workload, size: int, together: np.ndarray) -> np.ndarray:
        """With them the mean over samples is the mean over all tagged tokens of the global batch."""
        labelled = int((rows_of(store)[together] != NO_LABEL).sum())
        return np.full((size, 1), len(together) / max(labelled, 1), np.float32)

    def tally(self, store: Store, workload: Workload) -> TagTally:
        return TagTally(store)

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        if not counts["samples"]:
            return {}
        hits, predicted, relevant = (counts[name] for name in ("hits", "predicted", "relevant"))
        return {
            "f1": micro_f1(hits, predicted, relevant),
            "precision": hits / predicted if predicted else 0.0,
            "recall": hits / relevant if relevant else 0.0,
            "accuracy": counts["correct"] / counts["words"] if counts["words"] else 0.0,
        }

    def decisions(self, store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray) -> Decisions:
        """A decision is a word's tag."""
        labels = rows_of(store)[samples]
        scored = labels != NO_LABEL
        return Decisions(logits.argmax(-1)[scored], labels[scored].astype(np.int64))

    def right(self, decisions: Decisions) -> np.ndarray:
        return np.asarray(decisions.predicted == decisions.labels)

    def chance(self, num_classes: int) -> float:
        return 1.0 / num_classes


class TagTally:
    """The words of a split with their tags, put together again where a document's windows were apart."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.found: dict[int, Decisions] = {}  # by row: what was said of its words, and what is right
        self.loss = 0.0

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        for row, of_row in zip(samples.tolist(), logits, strict=True):
            labels = rows_of(self.store)[row]
            scored = labels != NO_LABEL
            exact, right = of_row[scored].astype(np.float64), labels[scored].astype(np.int64)
            self.loss -= float(np.take_along_axis(log_softmax(exact, -1), right[:, None], -1).sum())
            self.found[row] = Decisions(exact.argmax(-1), right)

    def counts(self) -> Counts:
        """`words`, those tagged rightly (`correct`); entities given and right (`hits`), given (`predicted`) and right
        (`relevant`). `loss` is summed over words, `samples` counts documents."""
        assert self.store.groups is not None, "the plan gives a store what its workload reads"
        names, groups = self.store.tags, self.store.groups
        sums = dict.fromkeys(("samples", "words", "correct", "hits", "predicted", "relevant"), 0)
        for _, rows in groupby(sorted(self.found), key=lambda row: int(groups[row])):
            parts = [self.found[row] for row in rows]
            said, right = (np.concatenate([part[index] for part in parts]) for index in (0, 1))
            given, wanted = (entities([names[tag] for tag in tags]) for tags in (said, right))
            sums["samples"] += 1
            sums["words"] += len(right)
            sums["correct"] += int((said == right).sum())
            sums["hits"] += len(given & wanted)
            sums["predicted"] += len(given)
            sums["relevant"] += len(wanted)
        return {**sums, "loss": self.loss}


def rows_of(store: Store) -> np.ndarray:
    """The tags of every row's tokens (int16, N x T)."""
    assert store.token_tags is not None, "the plan gives a store what its workload reads"
    return store.token_tags


TASK = Tags()
