"""SGD of shared.sgd and AdamW of shared.adamw. Mirror: `pt_impl/optimizer.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from shared import sections
from shared.family import ParameterGroup

Groups = Mapping[str, ParameterGroup]


class Optimizer(ABC):
    """An update of every parameter through the strategy, skipped where a gradient is not finite."""

    def __init__(self, parameters: Mapping[str, tf.Variable], groups: Groups) -> None:
        """Parameters by name, and how each is trained."""
        self.parameters = list(parameters.values())
        self.groups = [groups[name] for name in parameters]

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor, finite: tf.Tensor | None) -> None:
        """One step, called within a replica, with reduced gradients in the order of the parameters.

        Args:
            learning_rate: the schedule's, float64.
            finite: where given and false, the step is skipped (shared.loss_scale).
        """
        context = tf.distribute.get_replica_context()
        context.merge_call(self._update_all, args=(list(gradients), learning_rate, finite))

    @abstractmethod
    def _update_all(
        self,
        strategy: tf.distribute.Strategy,
        gradients: list[tf.Tensor],
        learning_rate: tf.Tensor,
        finite: tf.Tensor | None,
    ) -> None:
        """The update rule, called once for all replicas."""


def _unless(finite: tf.Tensor | None, update: Callable[[], None]) -> None:
    """Make an update; where `finite` is given, only if it is true."""

    def made() -> tf.Tensor:
        update()
        return tf.constant(True)

    if finite is None:
        update()
    else:
        tf.cond(finite, made, lambda: tf.constant(False))


class Sgd(Optimizer):
    """The update rule of shared.sgd, in TensorFlow's fused kernel (Keras's optimizer computes another)."""

    def __init__(self, parameters: Mapping[str, tf.Variable], groups: Groups, settings: sections.Sgd) -> None:
        super().__init__(parameters, groups)
        self.momentum = settings.momentum
        self.buffers = [tf.Variable(tf.zeros_like(parameter), trainable=False) for parameter in self.parameters]

    def _update_all(
        self,
        strategy: tf.distribute.Strategy,
        gradients: list[tf.Tensor],
        learning_rate: tf.Tensor,
        finite: tf.Tensor | None,
    ) -> None:
        everything = zip(self.parameters, self.buffers, gradients, self.groups, strict=True)
        for parameter, buffer, gradient, group in everything:
            own_rate = learning_rate if group.rate_factor == 1.0 else learning_rate * group.rate_factor
            arguments, keywords = (buffer, gradient, own_rate, finite), {"decay": group.decay}
            strategy.extended.update(parameter, self._update, args=arguments, kwargs=keywords, group=False)

    def _update(
        self,
        parameter: tf.Variable,
        buffer: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        finite: tf.Tensor | None,
        decay: float,
    ) -> None:
        def update() -> None:
            tf.raw_ops.ResourceApplyMomentum(
                var=parameter.handle,
                accum=buffer.handle,
                lr=tf.cast(learning_rate, parameter.dtype),
                grad=gradient + decay * parameter,
                momentum=tf.constant(self.momentum, parameter.dtype),
            )

        _unless(finite, update)


class AdamW(Optimizer):
    """The update rule of shared.adamw, in TensorFlow's fused kernel.

    The kernel puts epsilon elsewhere and corrects the bias in the weights' precision. Both are taken out of its hands:
    it is told that there is no bias, and gets rate and epsilon with the correction (float64) in them.
    """

    def __init__(
        self, parameters: Mapping[str, tf.Variable], groups: Groups, settings: sections.AdamW | sections.Adam
    ) -> None:
        super().__init__(parameters, groups)
        self.settings = settings
        self.first, self.second = (
            [tf.Variable(tf.zeros_like(parameter), trainable=False) for parameter in self.parameters] for _ in range(2)
        )
        self.steps = tf.Variable(0, trainable=False, dtype=tf.int64)

    def _update_all(
        self,
        strategy: tf.distribute.Strategy,
        gradients: list[tf.Tensor],
        learning_rate: tf.Tensor,
        finite: tf.Tensor | None,
    ) -> None:
        taken = 1 if finite is None else tf.cast(finite, tf.int64)
        step = tf.cast(self.steps + 1, tf.float64)
        strategy.extended.update(self.steps, lambda steps: steps.assign_add(taken), group=False)
        # of the betas as the kernel has them: float32's 1 - 0.999 is 5e-5 off, and stands in the moments too
        rounded = self.parameters[0].dtype.as_numpy_dtype
        beta1, beta2 = (float(rounded(beta)) for beta in (self.settings.beta1, self.settings.beta2))
        first_bias = 1.0 - tf.constant(beta1, tf.float64) ** step
        second_scale = tf.sqrt(1.0 - tf.constant(beta2, tf.float64) ** step)
        corrected, epsilon = learning_rate * second_scale / first_bias, self.settings.epsilon * second_scale
        everything = zip(self.parameters, self.first, self.second, gradients, self.groups, strict=True)
        for parameter, first, second, gradient, (factor, decay) in everything:
            arguments = (first, second, gradient, corrected * factor, epsilon, learning_rate * factor * decay, finite)
            keywords = {"decays": decay > 0}
            strategy.extended.update(parameter, self._update, args=arguments, kwargs=keywords, group=False)

    def _update(
        self,
        parameter: tf.Variable,
        first: tf.Variable,
        second: tf.Variable,
        gradient: tf.Tensor,
        learning_rate: tf.Tensor,
        epsilon: tf.Tensor,
        shrinkage: tf.Tensor,
        finite: tf.Tensor | None,
        decays: bool,
    ) -> None:
        def number(value: tf.Tensor | float) -> tf.Tensor:
            # not tf.cast alone: it would make float32 of a Python number first
            return tf.cast(tf.convert_to_tensor(value, tf.float64), parameter.dtype)

        def update() -> None:
            if decays:
                parameter.assign(parameter * number(1.0 - shrinkage))
            tf.raw_ops.ResourceApplyAdam(
                var=parameter.handle,
                m=first.handle,
                v=second.handle,
                beta1_power=number(0.0),
                beta2_power=number(0.0),
                lr=number(learning_rate),
                beta1=number(self.settings.beta1),
                beta2=number(self.settings.beta2),
                epsilon=number(epsilon),
                grad=gradient,
            )

        _unless(finite, update)


def make_optimizer(parameters: Mapping[str, tf.Variable], groups: Groups, settings: sections.Optimizer) -> Optimizer:
    """The optimizer of a workload for some parameters by name."""
    if isinstance(settings, sections.Sgd):
        return Sgd(parameters, groups, settings)
    return AdamW(parameters, groups, settings)
