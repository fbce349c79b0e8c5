"""Differences that the ladder plants in TensorFlow's BERT. Mirror: `pt_impl/families/bert/mutations.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.families.bert.batch import TextBatch
from tf_impl import dropout, layers
from tf_impl.families import bert
from tf_impl.families.bert import network
from tf_impl.families.bert.inputs import Inputs


def padding_mask_off() -> None:
    """Padding is attended to."""
    network_inputs = bert.network_inputs

    def unmasked(batch: TextBatch, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, dtype)
        return inputs._replace(bias=tf.zeros_like(inputs.bias))

    bert.network_inputs = unmasked


def half_the_gradient_of_a_bias() -> None:
    """One bias gets half its gradient."""
    tensors = layers.Linear.tensors

    def halved(self: layers.Linear, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        weight, bias = tensors(self, dtype)
        half = self.bias.name.startswith("layers.0.down")
        return weight, (bias + tf.stop_gradient(bias)) / 2 if half else bias

    layers.Linear.tensors = halved  # type: ignore[method-assign]


def other_rate_of_dropout() -> None:
    """Features are dropped 1/256 more often."""
    threshold = dropout.threshold
    dropout.threshold = lambda rate: threshold(rate) + 1


def place_drawn_twice() -> None:
    """Both halves of a layer drop the same features."""
    layer_place = network.layer_place
    network.layer_place = lambda index, half: layer_place(index, 0)
