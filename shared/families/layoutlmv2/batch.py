"""Batches of pages with their words, and the keys of what is dropped of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.dropout import drop_keys
from shared.families.layoutlmv2.architecture import Architecture
from shared.families.layoutlmv2.settings import LayoutWorkload
from shared.family import Drawn
from shared.modalities import page_pixels, text_tokens, token_boxes
from shared.pretraining import hide
from shared.store import Store
from shared.tasks import task_of


class LayoutBatch(NamedTuple):
    """n pages, ready to be moved to a device. In evaluation nothing is drawn."""

    tokens: np.ndarray  # int32, n x T
    boxes: np.ndarray  # int32, n x T x 4: left, top, right, bottom, thousandths of the page
    lengths: np.ndarray  # int32, n: tokens before the padding
    pixels: np.ndarray  # uint8, n x S x S; n x 0 x 0 where no image is read
    labels: np.ndarray  # as the task has them
    drop_keys: np.ndarray  # int32, n x places x 2 (shared.dropout); 0 where nothing is drawn
    question_lengths: np.ndarray  # int32, n x 1: tokens of the first segment; n x 0 where there is one segment alone
    positions: np.ndarray  # int32, n x P: of the tokens that were masked; n x 0 where none were
    weights: np.ndarray  # float32, n x 1 or n x 3: factors of the samples' losses; n x 0 where there are none


def layout_batch(
    store: Store, workload: LayoutWorkload, arch: Architecture, samples: np.ndarray, size: int, drawn: Drawn
) -> LayoutBatch:
    """The pages of some samples, filled up to `size` rows."""
    width = workload.input.max_tokens
    tokens, lengths = text_tokens(store, samples, size, width)
    batch = LayoutBatch(
        tokens=tokens,
        boxes=token_boxes(store, samples, size, width),
        lengths=lengths,
        pixels=page_pixels(store, samples, size) if arch.visual else np.zeros((size, 0, 0), np.uint8),
        labels=task_of(workload).labels(store, samples, size, arch.num_classes),
        drop_keys=np.zeros((size, arch.num_places, 2), np.int32),
        question_lengths=np.zeros((size, 1 if arch.segments else 0), np.int32),
        positions=np.zeros((size, 0), np.int32),
        weights=np.zeros((size, 0), np.float32),
    )
    if arch.segments:
        assert store.question_lengths is not None, "the plan gives a store what its workload reads"
        batch.question_lengths[: len(samples), 0] = store.question_lengths[samples]
    if workload.pretraining is not None:
        hidden = hide(store, workload.pretraining, samples, batch.tokens, batch.boxes, batch.pixels, drawn)
        batch = batch._replace(**hidden._asdict())
    if drawn is not None:
        batch.drop_keys[: len(samples)] = drop_keys(*drawn, samples, arch.num_places)
    return batch
