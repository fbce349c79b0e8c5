"""Small stores for the heads that read more than a whole page: tags, answers to questions, pages to hide parts of.

The pages are noise, as those of `tiny_layout.make_store`; lengths, labels and what lacks them differ from row to row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.store import (
    ANSWERS,
    DOCUMENTS,
    IMAGES,
    MANIFEST,
    NO_LABEL,
    QUESTION_LENGTHS,
    TOKEN_BOXES,
    TOKEN_TAGS,
    TOKEN_WORDS,
    Store,
    file_sha256,
    open_store,
)
from tests import row_stores, tiny_layout
from tests.tiny_layout import PIXELS, TOKENS_WIDE

ROWS, VALIDATED = 24, 8
TAGS = ("O", "B-a", "I-a")
HIDING = {"masked": 0.15, "covered": 0.3, "replaced": 0.2, "dropped": 0.1, "alignment": True, "matching": True}
CHANGES: dict[str, dict[str, Any]] = {
    "tags": {"model__num_classes": len(TAGS)},
    "spans": {"model__num_classes": 2},
    "pretraining": {"pretraining": HIDING},
}


def workload(task: str, **changes: Any) -> LayoutWorkload:
    """The small workload of a task."""
    settings = CHANGES[task] | changes
    if task == "pretraining" and not settings.get("model__visual", True):
        settings |= {"pretraining": HIDING | {"alignment": False, "matching": False}}
    return tiny_layout.workload(task=task, **settings)


def calm(task: str, **changes: Any) -> LayoutWorkload:
    """The workload, nothing dropped."""
    return workload(task, **{"model__hidden_dropout": 0.0, "model__classifier_dropout": 0.0, **changes})


def make_stores(folder: Path) -> dict[str, Store]:
    """A store for each of the tasks, two rows a page."""
    rng = np.random.default_rng(5)
    words = row_stores.framed(rng.integers(8, 29, ROWS).tolist())
    tags = np.where((words >= 0) & (rng.random(words.shape) < 0.6), rng.integers(0, len(TAGS), words.shape), NO_LABEL)
    tags[::7] = NO_LABEL
    answers = np.sort(rng.integers(1, 9, (ROWS, 2)), 1)
    answers[::5], answers[1::5] = NO_LABEL, 0
    edges = np.sort(rng.integers(0, 1001, (ROWS, TOKENS_WIDE, 2, 2)), 2)  # first and last, across and down
    boxes = np.where((words >= 0)[..., None], edges.reshape(ROWS, TOKENS_WIDE, 4), 0).astype(np.uint16)
    shared = {DOCUMENTS: np.arange(ROWS, dtype=np.int32) // 2, TOKEN_WORDS: words}
    own = {
        "tags": {TOKEN_TAGS: tags.astype(np.int16), TOKEN_BOXES: boxes},
        "spans": {
            ANSWERS: answers.astype(np.int32),
            QUESTION_LENGTHS: rng.integers(2, 7, ROWS).astype(np.int32),
            TOKEN_BOXES: boxes,
        },
        "pretraining": {},  # its boxes hide parts of the page, so they are a grid
    }
    splits = [0] * (ROWS - VALIDATED) + [1] * VALIDATED
    return {
        task: noisy(
            row_stores.make_store(
                folder / task, shared | arrays, tags=TAGS if task == "tags" else (), splits=splits, pages=True
            )
        )
        for task, arrays in own.items()
    }


def noisy(store: Store) -> Store:
    """A store with pages of noise in place of its own."""
    assert store.pixels is not None
    count, path = len(store.pixels), store.path
    np.random.default_rng(6).integers(0, 256, (count, PIXELS, PIXELS)).astype(np.uint8).tofile(path / IMAGES)
    manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text())
    manifest["sha256"][IMAGES] = file_sha256(path / IMAGES)
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path, checksums=True)
