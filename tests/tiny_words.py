"""Workloads of networks that read whole words, and weights, that are small enough for tests.

Their store is `tests.tiny_text`'s: ids below 64, texts of at most 32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared import spec
from shared.families import family_of
from shared.family import Weights
from shared.spec import Workload
from tests.tiny_text import CLASSES, TOKENS_WIDE, VOCABULARY


def workload(name: str, **changes: Any) -> Workload:
    """A shipped workload with 16 features a word on texts of at most 32 words of 64 known ones, four per replica, one
    label each; `section__key=value` changes more."""
    small = {
        "task": "classification",
        "model.vocabulary_size": VOCABULARY,
        "model.vector_size": 16,
        "model.num_classes": CLASSES,
        "input.max_words": TOKENS_WIDE,
        "input.buckets": (),
        "train.batch_per_replica": 4,
        "measure.warmup_steps": 1,
        "measure.measured_steps": 2,
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    return spec.load(name, "quick").overridden(small | dotted, "test")


def weights(settings: Workload, dtype: type = np.float32, scale: float = 2.0) -> Weights:
    """Starting weights, larger than a training starts with, so that nothing hides behind a bias."""
    family = family_of(settings)
    start = family.initial_weights(family.architecture(settings), 0)
    # through float32, so that both precisions start from the same numbers
    return {name: (scale * value).astype(np.float32).astype(dtype) for name, value in start.items()}
