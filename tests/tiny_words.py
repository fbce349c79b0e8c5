"""Workloads of networks that read whole words, and weights, that are small enough for tests.

Their store is `tests.tiny_text`'s: ids below 64, texts of at most 32; that of networks which read sentences is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shared import spec
from shared.families import family_of
from shared.family import Weights
from shared.spec import Workload
from shared.store import Store
from tests import tiny_text
from tests.tiny_text import CLASSES, TOKENS_WIDE, VOCABULARY

SENTENCES, SENTENCE_WORDS = 5, 6  # of a text, of a sentence


def workload(name: str, **changes: Any) -> Workload:
    """A shipped workload with 16 features a word on texts of at most 32 words of 64 known ones, four per replica, one
    label each; `section__key=value` changes more."""
    cut = name == "han"
    limits = {"input.max_sentences": SENTENCES, "input.max_words": SENTENCE_WORDS} if cut else {}
    small = {
        "task": "classification",
        "model.vocabulary_size": VOCABULARY,
        "model.vector_size": 16,
        "model.num_classes": CLASSES,
        "input.max_words": TOKENS_WIDE,
        **limits,
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


def make_sentences(path: Path, texts: tuple[int, int, int] = (24, 7, 5), most: int = SENTENCES) -> Store:
    """A store of noise in sentences: so many texts to train on, to validate and to test, of one to `most` sentences of
    one to six words."""
    rng = np.random.default_rng(0)
    count = sum(texts)
    tokens = np.zeros((count, SENTENCES, SENTENCE_WORDS), np.int32)
    lengths = np.zeros(count, np.int32)
    for row in range(count):
        for sentence in range(rng.integers(1, most + 1)):
            num_words = int(rng.integers(1, SENTENCE_WORDS + 1))
            tokens[row, sentence, :num_words] = rng.integers(2, VOCABULARY, num_words)
            lengths[row] = sentence * SENTENCE_WORDS + num_words
    return tiny_text.make_store(path, texts, words=(tokens.reshape(count, -1), lengths))
