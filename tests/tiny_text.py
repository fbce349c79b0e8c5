"""A text workload, a store of tokens and weights that are small enough for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from shared import spec
from shared.batches import TrainBatches
from shared.families import bert
from shared.families.bert.architecture import Architecture
from shared.families.bert.batch import TextBatch
from shared.families.bert.settings import BertWorkload
from shared.family import Weights
from shared.store import (
    LABELS,
    LENGTHS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    STORE_SCHEMA,
    TOKENS,
    Store,
    file_sha256,
    open_store,
    write_strings,
)

VOCABULARY, CLASSES, TOKENS_WIDE = 64, 4, 32
CLS, SEP = 2, 3


def workload(**changes: Any) -> BertWorkload:
    """Two layers of 32 features on texts of at most 32 tokens, four per replica; `section__key=value` changes more."""
    small = {
        "model.num_layers": 2,
        "model.hidden_size": 32,
        "model.num_heads": 4,
        "model.intermediate_size": 64,
        "model.max_positions": 40,
        "model.vocabulary_size": VOCABULARY,
        "model.num_classes": CLASSES,
        "input.max_tokens": TOKENS_WIDE,
        "optimizer.head_rate": 5e-3,
        "optimizer.layer_decay": 0.5,
        "train.batch_per_replica": 4,
        "measure.warmup_steps": 1,
        "measure.measured_steps": 2,
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    found = spec.load("bert-6l", "quick").overridden(small | dotted, "test")
    assert isinstance(found, BertWorkload)
    return found


def calm(**changes: Any) -> BertWorkload:
    """The workload, nothing dropped."""
    return workload(**{"model__hidden_dropout": 0.0, "model__classifier_dropout": 0.0, **changes})


def architecture(settings: BertWorkload) -> Architecture:
    """The workload's network."""
    return bert.FAMILY.architecture(settings)


def make_store(
    path: Path,
    texts: tuple[int, int, int] = (24, 7, 5),
    lengths: tuple[int, int] = (3, TOKENS_WIDE),
    multi_label: bool = False,
    long_ones: int = 0,
    words: tuple[np.ndarray, np.ndarray] | None = None,
) -> Store:
    """A store of noise: so many texts to train on, to validate and to test, so many tokens long, padding included.

    Args:
        long_ones: how many of the training texts fill the width, whatever `lengths` says.
        words: ids and lengths, in place of random ones.
    """
    path.mkdir()
    count = sum(texts)
    rng = np.random.default_rng(0)
    length = rng.integers(lengths[0], lengths[1] + 1, count).astype(np.int32)
    length[:long_ones] = TOKENS_WIDE
    tokens = rng.integers(5, VOCABULARY, (count, TOKENS_WIDE)).astype(np.int32)
    tokens[:, 0] = CLS
    for row in range(count):
        tokens[row, length[row] - 1] = SEP
        tokens[row, length[row] :] = 0
    if words is not None:
        tokens, length = words
    labels = (rng.random((count, CLASSES)) < 0.4).astype(np.uint8) if multi_label else rng.integers(0, CLASSES, count)
    np.save(path / LABELS, labels if multi_label else labels.astype(np.int32))
    np.save(path / SPLIT_CODES, np.repeat([0, 1, 2], texts).astype(np.int8))
    np.save(path / TOKENS, tokens)
    np.save(path / LENGTHS, length)
    write_strings(path, NAMES, [f"{row}.txt" for row in range(count)])
    files = sorted(path.iterdir())
    manifest = {
        "schema": STORE_SCHEMA,
        "name": "noise",
        "source": {"vocabulary_size": VOCABULARY},
        "image_size": None,
        "count": count,
        "classes": [f"class {number}" for number in range(CLASSES)],
        "sha256": {file.name: file_sha256(file) for file in files},
        "bytes": {file.name: file.stat().st_size for file in files},
    }
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path)


def weights(arch: Architecture, dtype: type = np.float32) -> Weights:
    """Starting weights whose scales and biases are not the 1 and 0 that hide mistakes, and whose attention is sharp."""
    rng = np.random.default_rng(1)
    varied = {}
    for name, value in bert.FAMILY.initial_weights(arch, 0).items():
        if name.endswith("norm.weight"):
            value = rng.uniform(0.7, 1.3, value.shape)
        elif value.ndim == 1:
            value = 0.1 * rng.standard_normal(value.shape)
        else:
            value = 0.2 * rng.standard_normal(value.shape)
        # through float32, so that both precisions start from the same numbers
        varied[name] = value.astype(np.float32).astype(dtype)
    return varied


def train_batch(store: Store, settings: BertWorkload, step: int = 0) -> TextBatch:
    """A training batch of one replica, as arrays."""
    batch = TrainBatches(store, settings, 0, 1).batch(step)
    assert isinstance(batch, TextBatch)
    return batch


def closeness(actual: Any, expected: Any) -> float:
    """Largest difference, relative to the largest expected value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    return float(np.max(np.abs(actual - expected)) / max(float(np.max(np.abs(expected))), 1e-30))


def assert_close(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray], tolerance: float) -> None:
    """Tensor by tensor, relative to each one's largest value; tensors of rounding errors alone, to a typical one's."""
    assert set(actual) == set(expected)
    sizes = {name: float(np.abs(np.asarray(value, np.float64)).max()) for name, value in expected.items()}
    floor = 1e-3 * float(np.median(list(sizes.values())))
    for name, value in expected.items():
        gap = float(np.abs(np.asarray(actual[name], np.float64) - np.asarray(value, np.float64)).max())
        assert gap <= tolerance * max(sizes[name], floor), (name, gap, sizes[name])
