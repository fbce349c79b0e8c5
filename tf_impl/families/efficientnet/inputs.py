"""From a batch of pages to what EfficientNet reads. Mirror: `pt_impl/families/efficientnet/inputs.py`."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from shared.families.efficientnet.batch import PageBatch
from shared.families.efficientnet.settings import EfficientNetWorkload
from tf_impl.augment import network_input


class Inputs(NamedTuple):
    """What the network reads."""

    images: tf.Tensor  # N x H x W x 3


class Drops(NamedTuple):
    """The factors of what is dropped; None: nothing is."""

    keep_block: tf.Tensor | None  # N x B, of the blocks' branches
    keep_unit: tf.Tensor | None  # N x F, of the classifier's inputs


def network_inputs(batch: PageBatch, workload: EfficientNetWorkload, dtype: tf.DType, training: bool) -> Inputs:
    """The pages as images, sheared in training."""
    settings = workload.input
    shear = batch.shear if training and settings.shear_degrees else None
    return Inputs(network_input(batch.pixels, shear, settings.mean, settings.std, dtype))


def network_drops(batch: PageBatch, workload: EfficientNetWorkload) -> Drops:
    """The factors that a training batch brings."""
    model = workload.model
    return Drops(batch.keep_block if model.drop_connect else None, batch.keep_unit if model.dropout else None)
