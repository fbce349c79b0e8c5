"""The average of the weights, see `shared.average`. Mirror: `pt_impl/averages.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import tensorflow as tf

from shared import sections
from shared.average import correction


class Average:
    """The average of some variables, which are moved from step to step; made in the strategy's scope."""

    def __init__(self, tensors: Sequence[tf.Variable], settings: sections.Average) -> None:
        self.tensors, self.decay = list(tensors), settings.decay
        make = tf.identity if settings.start == "copy" else tf.zeros_like
        self.averages = [tf.Variable(make(tensor), trainable=False) for tensor in self.tensors]
        self.num_steps = 0  # the caller counts: what is compiled runs no Python

    def update(self) -> None:
        """After a step, within a replica."""
        tf.distribute.get_replica_context().merge_call(self._update_all)

    def _update_all(self, strategy: tf.distribute.Strategy) -> None:
        for average, tensor in zip(self.averages, self.tensors, strict=True):
            strategy.extended.update(average, self._update, args=(tensor,), group=False)

    def _update(self, average: tf.Variable, tensor: tf.Variable) -> None:
        share = tf.cast(tf.constant(1.0 - self.decay, tf.float64), average.dtype)
        # a - share * (a - w): the kernel has the product and the difference in one
        tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=share, delta=average - tensor)

    def take_over(self) -> None:
        """Put the averages in the variables' place."""
        divisor = tf.constant(correction(self.decay, self.num_steps), tf.float64)
        for tensor, average in zip(self.tensors, self.averages, strict=True):
            if self.num_steps:
                tensor.assign(average / tf.cast(divisor, average.dtype))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """With the averages in the variables' place."""
        trained = [tf.identity(tensor) for tensor in self.tensors]
        try:
            self.take_over()
            yield
        finally:
            for tensor, value in zip(self.tensors, trained, strict=True):
                tensor.assign(value)
