"""Differences planted in TensorFlow's convolutions over words. Mirror: `pt_impl/families/cnn/mutations.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.word_batch import WordBatch
from shared.word_tokens import PAD_ID, UNKNOWN_ID
from tf_impl import dropout
from tf_impl.families import cnn
from tf_impl.families.cnn import convolution
from tf_impl.words import Inputs


def padding_mask_off() -> None:
    """Padding is read as words that are not known: as zeros, hardly any filter of a whole text would have its maximum
    there."""
    network_inputs = cnn.network_inputs

    def unmasked(batch: WordBatch, dtype: tf.DType) -> Inputs:
        inputs = network_inputs(batch, dtype)
        tokens = tf.where(inputs.tokens == PAD_ID, UNKNOWN_ID, inputs.tokens)
        whole = tf.fill(inputs.lengths.shape, inputs.tokens.shape[1])
        return Inputs(tokens, whole, tf.ones_like(inputs.mask))

    cnn.network_inputs = unmasked  # type: ignore[assignment]


def filters_turned() -> None:
    """Filters see the words in the other order."""
    convolve = convolution.convolve
    convolution.convolve = lambda x, weight, bias: convolve(x, weight[::-1], bias)


def half_the_gradient_of_a_bias() -> None:
    """The bias of one kernel size gets half its gradient."""
    tensors = convolution.Convolution.tensors

    def halved(self: convolution.Convolution, dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        weight, bias = tensors(self, dtype)
        half = self.kernel_size == 4  # both variants have it
        return weight, (bias + tf.stop_gradient(bias)) / 2 if half else bias

    convolution.Convolution.tensors = halved  # type: ignore[method-assign]


def other_rate_of_dropout() -> None:
    """Features are dropped 1/256 more often."""
    threshold = dropout.threshold
    dropout.threshold = lambda rate: threshold(rate) + 1
