"""SGD of shared.sgd. Mirror: `pt_impl/optimizer.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf

from shared import spec


class Sgd:
    """The update rule of shared.sgd, in TensorFlow's fused kernel (Keras's optimizer computes another)."""

    def __init__(self, parameters: Iterable[tf.Variable], settings: spec.Optimizer) -> None:
        self.parameters = list(parameters)
        self.momentum = settings.momentum
        self.weight_decay = settings.weight_decay
        self.buffers = [tf.Variable(tf.zeros_like(parameter), trainable=False) for parameter in self.parameters]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, finite: tf.Tensor | None) -> None:
        """One step, called within a replica, with reduced gradients in the order of the parameters.

        Args:
            finite: where given and false, the step is skipped (shared.loss_scale).
        """
        context = tf.distribute.get_replica_context()
        context.merge_call(self._update_all, args=(list(gradients), rate, finite))

    def _update_all(
        self, strategy: tf.distribute.Strategy, gradients: list[tf.Tensor], rate: tf.Tensor, finite: tf.Tensor | None
    ) -> None:
        for parameter, buffer, gradient in zip(self.parameters, self.buffers, gradients, strict=True):
            strategy.extended.update(parameter, self._update, args=(buffer, gradient, rate, finite), group=False)

    def _update(
        self,
        parameter: tf.Variable,
        buffer: tf.Variable,
        gradient: tf.Tensor,
        rate: tf.Tensor,
        finite: tf.Tensor | None,
    ) -> None:
        def step() -> tf.Tensor:
            tf.raw_ops.ResourceApplyMomentum(
                var=parameter.handle,
                accum=buffer.handle,
                lr=rate,
                grad=gradient + self.weight_decay * parameter,
                momentum=tf.constant(self.momentum, parameter.dtype),
            )
            return tf.constant(True)

        if finite is None:
            step()
        else:
            tf.cond(finite, step, lambda: tf.constant(False))
