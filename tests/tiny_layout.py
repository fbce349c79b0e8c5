"""A LayoutLMv2 workload, a store of pages with words and weights that are small enough for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from shared import spec
from shared.batches import TrainBatches
from shared.families import layoutlmv2
from shared.families.layoutlmv2.architecture import Architecture
from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Weights
from shared.store import IMAGES, MANIFEST, TOKEN_BOXES, Store, file_sha256, open_store
from tests import tiny_text

TOKENS_WIDE, PIXELS, FEATURES = tiny_text.TOKENS_WIDE, 64, 32


def workload(preset: str = "quick", **changes: Any) -> LayoutWorkload:
    """Two layers of 32 features on pages of at most 32 tokens and 64 pixels, four per replica.

    Distances in the text reach beyond those that the bins tell apart, and on the page too.
    """
    small = {
        "model.num_layers": 2,
        "model.hidden_size": FEATURES,
        "model.num_heads": 4,
        "model.intermediate_size": 64,
        "model.max_positions": 40,
        "model.vocabulary_size": tiny_text.VOCABULARY,
        "model.num_classes": tiny_text.CLASSES,
        "model.coordinate_size": 6,
        "model.shape_size": 4,
        "model.farthest": 16,
        "model.backbone_blocks": (1, 2, 1, 1),
        "model.backbone_groups": 2,
        "model.backbone_group_width": 4,
        "model.backbone_stem": 8,
        "model.backbone_channels": 16,
        "model.backbone_pyramid": 12,
        "model.backbone_frozen": 0,
        "input.max_tokens": TOKENS_WIDE,
        "input.stride": 8,
        "input.image_size": PIXELS,
        "input.mean": (103.53, 116.28, 123.675),  # as published: the pages are noise
        "input.std": (57.375, 57.12, 58.395),
        "train.batch_per_replica": 4,
        "measure.warmup_steps": 1,
        "measure.measured_steps": 2,
    }
    dotted = {key.replace("__", "."): value for key, value in changes.items()}
    found = spec.load("layoutlmv2-base", preset).overridden(small | dotted, "test")
    assert isinstance(found, LayoutWorkload)
    return found


def calm(**changes: Any) -> LayoutWorkload:
    """The workload, nothing dropped."""
    return workload(**{"model__hidden_dropout": 0.0, "model__classifier_dropout": 0.0, **changes})


def architecture(settings: LayoutWorkload) -> Architecture:
    """The workload's network."""
    return layoutlmv2.FAMILY.architecture(settings)


def make_store(path: Path, **arguments: Any) -> Store:
    """The texts of `tiny_text.make_store`, on pages of noise; some words lie in the corners of their page."""
    texts = tiny_text.make_store(path, **arguments)
    assert texts.lengths is not None
    count, rng = len(texts.labels), np.random.default_rng(1)
    edges = np.sort(rng.integers(0, 1001, (count, TOKENS_WIDE, 2, 2)), 2)  # first and last, across and down
    boxes = edges.reshape(count, TOKENS_WIDE, 4)
    boxes[:, 1], boxes[:, 2] = (0, 0, 1000, 1000), (1000, 1000, 1000, 1000)
    boxes[:, 0] = 0
    for row, length in enumerate(texts.lengths):
        boxes[row, length - 1 :] = 0
    np.save(path / TOKEN_BOXES, boxes.astype(np.uint16))
    rng.integers(0, 256, (count, PIXELS, PIXELS)).astype(np.uint8).tofile(path / IMAGES)
    manifest = dict(texts.manifest) | {"image_size": PIXELS}
    for name in (TOKEN_BOXES, IMAGES):
        manifest["sha256"][name] = file_sha256(path / name)
        manifest["bytes"][name] = (path / name).stat().st_size
    (path / MANIFEST).write_text(json.dumps(manifest))
    return open_store(path)


def weights(arch: Architecture, dtype: type = np.float32) -> Weights:
    """Starting weights whose scales and biases are not the 1 and 0 that hide mistakes, and whose attention is sharp."""
    rng = np.random.default_rng(1)
    varied = {}
    for name, value in layoutlmv2.FAMILY.initial_weights(arch, 0).items():
        if name.endswith("running_var"):
            value = rng.uniform(0.5, 1.5, value.shape)
        elif name.endswith("norm.weight"):
            value = rng.uniform(0.7, 1.3, value.shape)
        elif value.ndim == 1:
            value = 0.1 * rng.standard_normal(value.shape)
        elif value.ndim == 4:
            value = rng.standard_normal(value.shape) / np.sqrt(np.prod(value.shape[1:]))
        elif name.startswith("attention_bias"):
            value = rng.standard_normal(value.shape)
        else:
            value = 0.2 * rng.standard_normal(value.shape)
        # through float32, so that both precisions start from the same numbers
        varied[name] = value.astype(np.float32).astype(dtype)
    return varied


def train_batch(store: Store, settings: LayoutWorkload, step: int = 0) -> LayoutBatch:
    """A training batch of one replica, as arrays."""
    batch = TrainBatches(store, settings, 0, 1).batch(step)
    assert isinstance(batch, LayoutBatch)
    return batch
