"""A workload, a store and weights that are small enough for tests; the shear in plain NumPy."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared import spec
from shared.batches import TrainBatches
from shared.families import efficientnet
from shared.families.efficientnet.architecture import Architecture
from shared.families.efficientnet.batch import PageBatch
from shared.families.efficientnet.settings import EfficientNetWorkload
from shared.family import Weights
from shared.protocol import Cell
from shared.store import (
    IMAGES,
    LABELS,
    MANIFEST,
    NAMES,
    SPLIT_CODES,
    STORE_SCHEMA,
    Store,
    file_sha256,
    open_store,
    write_strings,
)

SIZE = 64  # with smaller pages the last batch norms have so few values that training from noise is chaos


def workload(**changes: Any) -> EfficientNetWorkload:
    """EfficientNet-B0 on pages of 64 px, two samples per replica; `section__key=value` changes more."""
    small = {
        "input.image_size": SIZE,
        "train.batch_per_replica": 2,
        "measure.warmup_steps": 1,
        "measure.measured_steps": 2,
        "finetune.epochs": 1,
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    found = spec.load("effnet-b0").overridden(small | dotted, "test")
    assert isinstance(found, EfficientNetWorkload)
    return found


def make_store(path: Path, pages: tuple[int, int, int] = (12, 5, 3), size: int = SIZE) -> Store:
    """A store of noise with so many pages to train on, to validate and to test."""
    path.mkdir()
    count = sum(pages)
    rng = np.random.default_rng(0)
    rng.integers(0, 256, (count, size, size), dtype=np.uint8).tofile(path / IMAGES)
    np.save(path / LABELS, rng.integers(0, 16, count).astype(np.int32))
    np.save(path / SPLIT_CODES, rng.permutation(np.repeat([0, 1, 2], pages)).astype(np.int8))
    write_strings(path, NAMES, [f"page {number}" for number in range(count)])
    files = sorted(path.iterdir())
    manifest = {
        "schema": STORE_SCHEMA,
        "name": "noise",
        "source": {},
        "image_size": size,
        "count": count,
        "classes": [f"class {number}" for number in range(16)],
        "sha256": {file.name: file_sha256(file) for file in files},
        "bytes": {file.name: file.stat().st_size for file in files},
    }
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path)


def make_cell(directory: Path, store: Path, framework: str = "pt", **changes: Any) -> Cell:
    """One replica on the CPU, one epoch."""
    fields: dict[str, Any] = {
        "cell_id": f"tiny-{framework}",
        "arm": "matched",
        "replicas": 1,
        "device": "cpu",
        "precision": "fp32",
        "input_mode": "disk",
        "repeat": 0,
        "seed": 3,
        "workload": workload(),
        "epochs": 1,
    }
    return Cell(framework=framework, store=str(store), directory=str(directory), **(fields | changes))


def short(settings: EfficientNetWorkload) -> Architecture:
    """The workload's EfficientNet without the blocks after the fifth: every kind of layer, a fifth of the time."""
    arch = efficientnet.FAMILY.architecture(settings)
    return replace(arch, blocks=arch.blocks[:5])


def weights(arch: Architecture, dtype: type = np.float32) -> Weights:
    """Starting weights whose scales, biases and statistics are not the 1 and 0 that hide mistakes."""
    rng = np.random.default_rng(1)
    varied = {}
    for name, value in efficientnet.FAMILY.initial_weights(arch, 0).items():
        if value.ndim == 1:
            positive = name.endswith(("norm.weight", "running_var"))
            value = rng.uniform(0.7, 1.3, value.shape) if positive else 0.1 * rng.standard_normal(value.shape)
        varied[name] = value.astype(dtype)
    return varied


def train_batch(store: Store, settings: EfficientNetWorkload, step: int = 0) -> PageBatch:
    """A training batch of one replica."""
    batch = TrainBatches(store, settings, 0, 1).batch(step)
    assert isinstance(batch, PageBatch)
    return batch


def sheared(pages: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Row y of each page (N, H, W) moved by slope * (y - (H - 1) / 2) pixels, linear between pixels, 0 outside."""
    num, height, width = pages.shape
    framed = np.pad(np.asarray(pages, np.float64), ((0, 0), (0, 0), (1, 1)))
    moved = np.empty((num, height, width))
    for n in range(num):
        for y in range(height):
            at = np.arange(width) + float(slope[n]) * (y - (height - 1) / 2)
            moved[n, y] = np.interp(at, np.arange(-1, width + 1), framed[n, y], left=0.0, right=0.0)
    return moved


def closeness(actual: Any, expected: Any) -> float:
    """Largest difference, relative to the largest expected value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    return float(np.max(np.abs(actual - expected)) / max(float(np.max(np.abs(expected))), 1e-30))
