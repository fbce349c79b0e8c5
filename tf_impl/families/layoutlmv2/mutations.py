"""Differences that the ladder plants in TensorFlow's LayoutLMv2. Mirror: `pt_impl/families/layoutlmv2/mutations.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.families.layoutlmv2.batch import LayoutBatch
from shared.families.layoutlmv2.settings import LayoutWorkload
from tf_impl import dropout
from tf_impl.dropout import Dropout
from tf_impl.families import layoutlmv2
from tf_impl.families.layoutlmv2 import network
from tf_impl.families.layoutlmv2.inputs import Inputs
from tf_impl.transformer import Embedding


def red_first() -> None:
    """The channels of the image are red, green, blue."""
    network_inputs = layoutlmv2.network_inputs

    def reversed_channels(batch: LayoutBatch, workload: LayoutWorkload, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, workload, dtype)
        return inputs._replace(images=tf.reverse(inputs.images, [3]))

    layoutlmv2.network_inputs = reversed_channels


def padding_mask_off() -> None:
    """Padding is attended to."""
    network_inputs = layoutlmv2.network_inputs

    def unmasked(batch: LayoutBatch, workload: LayoutWorkload, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, workload, dtype)
        return inputs._replace(bias=tf.zeros_like(inputs.bias))

    layoutlmv2.network_inputs = unmasked


def frozen_biases() -> None:
    """The biases by distance are not trained, as in later versions of `transformers`."""
    looked_up = network.AttentionBias.looked_up

    def frozen(table: Embedding, bins: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
        found = looked_up(table, bins, places)
        return tf.stop_gradient(found) + 0.0 * found  # a gradient of zeros: without any the step would not run

    network.AttentionBias.looked_up = staticmethod(frozen)  # type: ignore[assignment]


def mean_behind_twice() -> None:
    """The classifier reads the visual tokens behind the layers twice, and never before them."""
    features = network.LayoutLMv2.features

    def other(self: network.LayoutLMv2, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        first, _, behind = tf.split(features(self, inputs, drops, training), 3, -1)
        return tf.concat([first, behind, behind], -1)

    network.LayoutLMv2.features = other  # type: ignore[method-assign]


def other_rate_of_dropout() -> None:
    """Features are dropped 1/256 more often."""
    threshold = dropout.threshold
    dropout.threshold = lambda rate: threshold(rate) + 1


def place_drawn_twice() -> None:
    """Both halves of a layer drop the same features."""
    layer_place = network.layer_place
    network.layer_place = lambda index, half: layer_place(index, 0)
