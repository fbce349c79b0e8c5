"""What was hidden of a page is found again: cross-entropy of masked tokens, covered lines and the page's own image.

Xu et al., LayoutLMv2 (ACL 2021), section 2.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax

from shared import pretraining
from shared.modalities import Parts
from shared.sections import Pretraining
from shared.store import NO_LABEL, TOKENS, Store
from shared.task import Counts, Decisions, Head, Metric, Task
from shared.words import OFFSETS

if TYPE_CHECKING:
    from shared.spec import Workload

TARGETS = ("tokens", "alignment", "matching")


class Hiding(Task):
    """The three tasks of pre-training together."""

    name = "pretraining"
    head: Head = "hidden"
    parts: Parts = "windows"
    loss = "pretraining"
    weighted = True
    labelled = "words with places, to be hidden and found"
    headline = "tokens"
    metrics = {
        "tokens": Metric("accuracy of masked tokens"),
        "alignment": Metric("accuracy of alignment"),
        "matching": Metric("accuracy of matching"),
        **{f"{name}_loss": Metric(f"loss of {name}", False, (0.0, math.inf)) for name in TARGETS},
    }
    hashed = {"task": "pretraining"}

    def has_labels(self, store: Store) -> bool:
        found = store.manifest["bytes"]
        return OFFSETS in found and (TOKENS not in found or store.token_lines is not None)

    def outputs(self, store: Store) -> int:
        """Its heads have sizes of their own."""
        return 2

    def synthetic_outputs(self, num_classes: int) -> int:
        return 2

    def labels(self, store: Store, samples: np.ndarray, size: int, num_classes: int) -> np.ndarray:
        """They are drawn with what is hidden."""
        return np.zeros((size, 0), np.int32)

    def weights(self, store: Store, workload: Workload, size: int, together: np.ndarray) -> np.ndarray:
        settings, pages = settings_of(workload), store.pixels is not None
        return pretraining.loss_weights(store, settings, size, together, pages)

    def tally(self, store: Store, workload: Workload) -> HidingTally:
        return HidingTally(store, workload)

    def scores(self, counts: Mapping[str, float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name in TARGETS:
            if number := counts[f"{name}_labels"]:
                found |= {name: counts[f"{name}_correct"] / number, f"{name}_loss": counts[f"{name}_loss"] / number}
        return found

    def decisions(self, store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray) -> Decisions:
        """A decision is about a masked token, a token's line, a page's image."""
        found = [
            (part.argmax(-1)[labels != NO_LABEL], labels[labels != NO_LABEL])
            for part, labels in parts_of(store, workload, logits, samples)
        ]
        return Decisions(*(np.concatenate(each).astype(np.int64) for each in zip(*found, strict=True)))

    def right(self, decisions: Decisions) -> np.ndarray:
        return np.asarray(decisions.predicted == decisions.labels)

    def chance(self, num_classes: int) -> float:
        """Nothing is known of masked tokens."""
        return 0.0


class HidingTally:
    """What was found of what was hidden."""

    def __init__(self, store: Store, workload: Workload) -> None:
        self.store, self.workload = store, workload
        names = [f"{name}_{what}" for name in TARGETS for what in ("labels", "correct", "loss")]
        self.sums: Counts = dict.fromkeys(("samples", "loss", *names), 0.0)

    def add(self, logits: np.ndarray, samples: np.ndarray) -> None:
        self.sums["samples"] += len(samples)
        parts = parts_of(self.store, self.workload, logits, samples)
        for name, (part, labels) in zip(TARGETS, parts, strict=True):
            chosen = labels != NO_LABEL
            exact, right = part[chosen].astype(np.float64), labels[chosen].astype(np.int64)
            loss = -float(np.take_along_axis(log_softmax(exact, -1), right[:, None], -1).sum())
            self.sums[f"{name}_labels"] += len(right)
            self.sums[f"{name}_correct"] += int((exact.argmax(-1) == right).sum())
            self.sums[f"{name}_loss"] += loss
            self.sums["loss"] += loss

    def counts(self) -> Counts:
        """Of each target how many there were (`NAME_labels`), how many were found (`NAME_correct`), and the `NAME_loss`
        summed over them; `loss` sums all."""
        return self.sums


def parts_of(
    store: Store, workload: Workload, logits: np.ndarray, samples: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Logits (n x ... x K) and labels (n x ...) of each target, from a network's flat output (n x (P V + 2 T + 2))."""
    from shared.families import family_of

    batch = family_of(workload).batch(store, workload, samples, len(samples), None, 0)
    labels, count = np.asarray(batch.labels), len(samples)
    width = int(store.max_tokens or 0)
    most = labels.shape[1] - width - 1
    of_tokens, alignment, matching = np.split(logits, [logits.shape[1] - 2 * width - 2, logits.shape[1] - 2], axis=1)
    return [
        (of_tokens.reshape(count, most, -1), labels[:, :most]),
        (alignment.reshape(count, width, 2), labels[:, most:-1]),
        (matching.reshape(count, 1, 2), labels[:, -1:]),
    ]


def settings_of(workload: Workload) -> Pretraining:
    """What is hidden, as a workload says."""
    settings: Pretraining | None = getattr(workload, "pretraining", None)
    assert settings is not None, "a workload of the task has the table"
    return settings


TASK = Hiding()
