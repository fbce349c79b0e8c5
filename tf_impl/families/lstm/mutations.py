"""Differences planted in TensorFlow's bidirectional LSTM. Mirror: `pt_impl/families/lstm/mutations.py`."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from shared.dropout import scale
from shared.families.lstm.architecture import Architecture
from shared.families.lstm.batch import TextBatch
from tf_impl import dropout, recurrent, step
from tf_impl.families import lstm
from tf_impl.families.lstm import inputs
from tf_impl.words import Inputs


def padding_mask_off() -> None:
    """Padding is read as words are."""
    network_inputs = lstm.network_inputs

    def unmasked(batch: TextBatch, dtype: tf.DType) -> Inputs:
        found = network_inputs(batch, dtype)
        whole = tf.fill(found.lengths.shape, found.tokens.shape[1])
        return found._replace(mask=tf.ones_like(found.mask), lengths=whole)

    lstm.network_inputs = unmasked  # type: ignore[assignment]


def half_the_gradient_of_a_bias() -> None:
    """A bias vector of the second direction gets half its gradient."""
    tensors = recurrent.Direction.tensors

    def halved(self: recurrent.Direction, *arguments: Any) -> list[tf.Tensor]:
        *others, bias = tensors(self, *arguments)
        half = "backward" in self.bias_hh.name
        return [*others, (bias + tf.stop_gradient(bias)) / 2 if half else bias]

    recurrent.Direction.tensors = halved  # type: ignore[assignment, method-assign]


def one_bias_vector() -> None:
    """Of a direction's two bias vectors one is trained, as Keras has one: the sum moves half as far."""
    tensors = recurrent.Direction.tensors

    def one(self: recurrent.Direction, *arguments: Any) -> list[tf.Tensor]:
        *others, bias = tensors(self, *arguments)
        return [*others, tf.stop_gradient(bias) + 0 * bias]

    recurrent.Direction.tensors = one  # type: ignore[assignment, method-assign]


def both_matrices_dropped() -> None:
    """The second direction's recurrent matrix is dropped as the forward one's is."""
    recurrently, tensors = inputs.Drops.recurrent, recurrent.Direction.tensors
    dropped: list[Any] = []

    def noted(self: inputs.Drops, weight: tf.Tensor, arch: Architecture) -> tf.Tensor:
        dropped[:] = [lambda other: recurrently(self, other, arch)]
        return recurrently(self, weight, arch)

    def both(self: recurrent.Direction, dtype: tf.DType, matrix: tf.Tensor | None = None) -> list[tf.Tensor]:
        if "backward" in self.weight_hh.name and dropped:
            matrix = dropped.pop()(self.weight_hh)
        return tensors(self, dtype, matrix)

    inputs.Drops.recurrent = noted  # type: ignore[assignment, method-assign]
    recurrent.Direction.tensors = both  # type: ignore[assignment, method-assign]


def words_dropped_by_place() -> None:
    """A word is dropped by where it stands in its text, not by which word of the vocabulary it is."""

    def by_place(self: inputs.Drops, tokens: tf.Tensor, arch: Architecture, dtype: tf.DType) -> tf.Tensor:
        kept = tf.cast(self._kept_words(arch), dtype) * scale(arch.embedding_dropout)
        return tf.gather(kept, tf.zeros_like(tokens) + tf.range(tokens.shape[1]))

    inputs.Drops.word_factors = by_place  # type: ignore[assignment, method-assign]


def average_before_the_step() -> None:
    """The average takes in the weights as they were before the step."""
    apply = step.Step._apply

    def early(self: step.Step, *arguments: Any) -> None:
        average, self.average = self.average, None
        if average is not None:
            average.update()
        apply(self, *arguments)
        self.average = average

    step.Step._apply = early  # type: ignore[assignment, method-assign]


def other_rate_of_dropout() -> None:
    """Features are dropped 1/256 more often."""
    threshold = dropout.threshold
    dropout.threshold = lambda rate: threshold(rate) + 1
