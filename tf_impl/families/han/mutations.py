"""Differences planted in TensorFlow's hierarchical attention. Mirror: `pt_impl/families/han/mutations.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.families.han.batch import SentenceBatch
from tf_impl import layers, recurrent
from tf_impl.families import han
from tf_impl.families.han.inputs import Inputs


def padding_mask_off() -> None:
    """The padding of sentences is read as words are."""
    network_inputs = han.network_inputs

    def unmasked(batch: SentenceBatch, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, dtype)
        whole = tf.fill(inputs.word_lengths.shape, inputs.tokens.shape[2])
        return inputs._replace(word_mask=tf.ones_like(inputs.word_mask), word_lengths=whole)

    han.network_inputs = unmasked


def sentences_swapped() -> None:
    """The first two sentences of a text in the other order."""
    network_inputs = han.network_inputs

    def swapped(batch: SentenceBatch, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, dtype)
        order = [1, 0, *range(2, inputs.tokens.shape[1])]
        moved = {
            name: tf.gather(getattr(inputs, name), order, axis=1) for name in ("tokens", "word_lengths", "word_mask")
        }
        return inputs._replace(**moved)

    han.network_inputs = swapped


def half_the_gradient_of_a_bias() -> None:
    """The bias of the attention over words gets half its gradient."""
    tensors = layers.Linear.tensors

    def halved(self: layers.Linear, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        weight, bias = tensors(self, dtype)
        half = self.bias.name.startswith("words.attention")
        return weight, (bias + tf.stop_gradient(bias)) / 2 if half else bias

    layers.Linear.tensors = halved  # type: ignore[method-assign]


def one_bias_vector() -> None:
    """Of a GRU's two bias vectors one is trained, as Keras's LSTM has one: the sum moves half as far."""
    tensors = recurrent.Direction.tensors

    def one(self: recurrent.Direction, *arguments: object) -> list[tf.Tensor]:
        *others, bias = tensors(self, *arguments)  # type: ignore[arg-type]
        return [*others, tf.stop_gradient(bias) + 0 * bias]

    recurrent.Direction.tensors = one  # type: ignore[assignment, method-assign]
