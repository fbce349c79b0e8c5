"""Batches of texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shared.bert import Architecture
from shared.draws import text_draws
from shared.networks import architecture_of
from shared.sections import TextInput
from shared.spec import TextWorkload
from shared.store import Store


class TextBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation the draws are neutral and `weight` marks real rows."""

    tokens: np.ndarray  # int32, n x T
    labels: np.ndarray  # int32, n; or float32, n x K, where a text may have several
    weight: np.ndarray  # float32, n: 1 for a sample, 0 for a row that only fills the batch up
    lengths: np.ndarray  # int32, n: tokens before the padding
    noise: np.ndarray  # uint8, n x S x T x H (S = 0 in evaluation and without dropout), see shared.draws
    noise_last: np.ndarray  # uint8, n x 2 x H
    keep_unit: np.ndarray  # float32, n x H


def bucket(longest: int, settings: TextInput) -> int:
    """The width that a batch is padded to: of a fixed set, so that no shape appears after the warm-up.

    >>> bucket(100, TextInput(max_tokens=512, truncation="head", buckets=(128, 256)))
    128
    >>> bucket(257, TextInput(max_tokens=512, truncation="head", buckets=(128, 256)))
    512
    """
    return next((width for width in sorted(settings.buckets) if width >= longest), settings.max_tokens)


def with_strings(batch: TextBatch, store: Store, samples: np.ndarray) -> TextBatch:
    """A batch whose tokens (object, n) are the texts themselves, in UTF-8, for a tokeniser of the wing's own."""
    assert store.text is not None
    strings = np.full(len(batch.weight), b"", object)
    for row, sample in enumerate(samples):
        strings[row] = store.text[int(sample)].encode()
    return batch._replace(tokens=strings)


def text_batch(
    store: Store, workload: TextWorkload, samples: np.ndarray, size: int, drawn: tuple[int, int] | None, width: int
) -> TextBatch:
    """The texts of some samples, padded to `width` tokens, filled up to `size` rows.

    Args:
        drawn: seed and epoch of the samples' draws; None: neutral ones.
    """
    assert store.tokens is not None and store.lengths is not None, "the plan gives text workloads a store with tokens"
    arch = architecture_of(workload)
    assert isinstance(arch, Architecture)
    count, hidden, several = len(samples), arch.hidden_size, store.multi_label
    batch = TextBatch(
        tokens=np.zeros((size, width), np.int32),
        labels=np.zeros((size, arch.num_classes), np.float32) if several else np.zeros(size, np.int32),
        weight=np.zeros(size, np.float32),
        lengths=np.ones(size, np.int32),  # of a row that only fills up: attention over nothing would be 0 / 0
        noise=np.zeros((size, arch.num_noise_sites if drawn else 0, width, hidden), np.uint8),
        noise_last=np.full((size, 2, hidden), 255, np.uint8),
        keep_unit=np.ones((size, hidden), np.float32),
    )
    batch.tokens[:count] = store.tokens[samples, :width]
    batch.lengths[:count] = store.lengths[samples]
    batch.labels[:count] = store.labels[samples]
    batch.weight[:count] = 1.0
    if drawn is not None:
        found = text_draws(*drawn, samples, arch, width)
        batch.noise[:count] = found.noise
        batch.noise_last[:count] = found.noise_last
        batch.keep_unit[:count] = found.keep_unit
    return batch
