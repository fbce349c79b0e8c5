"""Batches of texts, and what is drawn for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shared.draws import Purpose, num_unit_words, unit_factors, words
from shared.families.bert.architecture import Architecture
from shared.families.bert.settings import BertWorkload
from shared.family import Drawn
from shared.modalities import text_tokens
from shared.store import Store
from shared.tasks import task_of


class TextBatch(NamedTuple):
    """n texts, ready to be moved to a device. In evaluation the draws are neutral."""

    tokens: np.ndarray  # int32, n x T
    labels: np.ndarray  # as the task has them
    lengths: np.ndarray  # int32, n: tokens before the padding
    noise: np.ndarray  # uint8, n x S x T x H (S = 0 in evaluation and without dropout), see TextDraws
    noise_last: np.ndarray  # uint8, n x 2 x H
    keep_unit: np.ndarray  # float32, n x H


@dataclass(frozen=True)
class TextDraws:
    """The random decisions for n texts of one epoch, T tokens wide, S places, H features.

    A feature is dropped where its noise is below `shared.draws.noise_threshold(rate)`. Bytes, not masks of floats:
    there are tens of millions in a batch, and they travel from the loader to the device.
    """

    noise: np.ndarray  # uint8, n x S x T x H: of every token, place by place
    noise_last: np.ndarray  # uint8, n x 2 x H: of [CLS] in the two halves of the last layer
    keep_unit: np.ndarray  # float32, n x H: 0 where a feature is dropped before the classifier, else 1 / (1 - rate)


def text_batch(
    store: Store,
    workload: BertWorkload,
    arch: Architecture,
    samples: np.ndarray,
    size: int,
    drawn: Drawn,
    width: int,
) -> TextBatch:
    """The texts of some samples, padded to `width` tokens, filled up to `size` rows."""
    count, hidden = len(samples), arch.hidden_size
    tokens, lengths = text_tokens(store, samples, size, width)
    batch = TextBatch(
        tokens=tokens,
        labels=task_of(workload).labels(store, samples, size, arch.num_classes),
        lengths=lengths,
        noise=np.zeros((size, arch.num_noise_sites if drawn else 0, width, hidden), np.uint8),
        noise_last=np.full((size, 2, hidden), 255, np.uint8),
        keep_unit=np.ones((size, hidden), np.float32),
    )
    if drawn is not None:
        found = text_draws(*drawn, samples, arch, width)
        batch.noise[:count] = found.noise
        batch.noise_last[:count] = found.noise_last
        batch.keep_unit[:count] = found.keep_unit
    return batch


def text_draws(seed: int, epoch: int, samples: np.ndarray, arch: Architecture, width: int) -> TextDraws:
    """Draw for the given texts of an epoch, `width` tokens each.

    A token's draws do not depend on the width: a text padded to a wider bucket drops the same features.
    """
    hidden, places = arch.hidden_size, arch.num_noise_sites
    unit_words = num_unit_words(hidden, arch.classifier_dropout)
    noise = np.empty((len(samples), places, width, hidden), np.uint8)
    noise_last = np.full((len(samples), 2, hidden), 255, np.uint8)
    keep_unit = np.ones((len(samples), hidden), np.float32)
    for row, sample in enumerate(samples):
        for place in range(places):
            raw = words(seed, Purpose.TOKENS, epoch, int(sample), -(-width * hidden // 8), place=1 + place)
            noise[row, place] = raw.view(np.uint8)[: width * hidden].reshape(width, hidden)
        raw = words(seed, Purpose.TOKENS, epoch, int(sample), -(-2 * hidden // 8) + unit_words)
        if places:
            noise_last[row] = raw.view(np.uint8)[: 2 * hidden].reshape(2, hidden)
        if unit_words:
            keep_unit[row] = unit_factors(raw[-unit_words:], hidden, arch.classifier_dropout)
    return TextDraws(noise, noise_last, keep_unit)
