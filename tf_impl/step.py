"""One training step and one evaluation step. Mirror: `pt_impl/step.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import tensorflow as tf

from shared import loss_scale
from shared.errors import UserError
from shared.families import family_of
from shared.family import Batch, ParameterGroup, weights_of
from shared.spec import Workload
from shared.tasks import task_of
from tf_impl import losses
from tf_impl.averages import Average
from tf_impl.family import Network, family
from tf_impl.optimizer import make_optimizer

COMPUTE_DTYPES = {"fp32": tf.float32, "bf16": tf.bfloat16, "fp16": tf.float16, "fp64": tf.float64}


def heads_of(logits: tf.Tensor | tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
    """The logits of each of a network's heads."""
    return logits if isinstance(logits, tuple) else (logits,)


class Step:
    """Trains and evaluates a network on batches of all replicas, under the strategy whose scope it is made in.

    Gradients are those of the mean loss over the global batch: each replica divides the sum over its own samples by the
    global batch, and the gradients are summed over replicas. (`fit` and `Optimizer.apply` would sum means.)
    """

    def __init__(
        self, network: Network, workload: Workload, precision: str, replicas: int, exchange: bool = True
    ) -> None:
        """
        Args:
            exchange: whether gradients are summed over replicas; without, each goes its own way.
        """
        self.network = network
        self.workload = workload
        self.dtype = COMPUTE_DTYPES[precision]
        self.exchange = exchange and replicas > 1
        self.num_sharing = replicas if self.exchange else 1
        self.frozen = False
        self.family = family(workload.model.family)
        task = task_of(workload)
        self.task_loss, self.weighted = getattr(losses, task.loss), task.weighted
        self.loss_settings = task.loss_settings(workload)
        self.exact = tf.float64 if self.dtype == tf.float64 else tf.float32
        self.strategy = tf.distribute.get_strategy()
        self.scaled = precision == "fp16"
        self.scale = tf.Variable(loss_scale.INITIAL_SCALE if self.scaled else 1.0, trainable=False)
        # 64 bits: a variable of int32 has no kernel on GPUs, and would be put on the CPU
        self.good_steps = tf.Variable(0, trainable=False, dtype=tf.int64)
        self.average: Average | None = None
        if (settings := workload.average) is not None:
            every = settings.start == "copy"
            averaged = self._every() if every else list(network.canonical_parameters().values())
            self.average = Average(averaged, settings)
        self._prepare(network.canonical_parameters())

    def _prepare(self, parameters: dict[str, tf.Variable]) -> None:
        of_family, settings = family_of(self.workload), self.workload.optimizer
        groups = of_family.parameter_groups(of_family.architecture(self.workload), self.workload)
        # a library's network may have tensors of its own: trained as one without groups is
        own = {name: ParameterGroup(1.0, settings.weight_decay) for name in parameters}
        self.optimizer = make_optimizer(parameters, own | groups, settings)
        self._train = tf.function(self._train_all, autograph=False)
        self._predict = tf.function(self._predict_all, autograph=False)
        self._backward = tf.function(self._backward_all, autograph=False)

    def freeze(self) -> None:
        """Train nothing but the classifier from now on; the rest runs in inference mode."""
        self.frozen, self.average = True, None
        with self.strategy.scope():
            named = self.network.canonical_parameters()
            self._prepare({name: variable for name, variable in named.items() if name.startswith("classifier.")})

    def inputs(self, batch: Batch, training: bool) -> Any:
        """What the network reads of a batch."""
        return self.family.inputs(batch, self.workload, self.dtype, training)

    def observed(self, batch: Batch) -> dict[str, tf.Tensor]:
        """What the ladder compares of a training batch."""
        drops = self.family.drops(batch, self.workload)
        return self.family.observed(self.inputs(batch, training=True), drops, self.workload)

    def loss(self, batch: Batch) -> tf.Tensor:
        """Mean loss over this replica's samples, training mode.

        Raises:
            UserError: the network does not compute in the precision that was asked for.
        """
        inputs, drops = self.inputs(batch, training=True), self.family.drops(batch, self.workload)
        if self.frozen:
            features = tf.stop_gradient(self.network.features(inputs, None, training=False))
            logits = self.network.classify(features, drops)
        else:
            logits = self.network(inputs, drops, training=True)
        heads = [tf.cast(self._of_precision(head), self.exact) for head in heads_of(logits)]
        weights = (weights_of(batch),) if self.weighted else ()
        return self.task_loss(*heads, batch.labels, *weights, **self.loss_settings)

    def _of_precision(self, logits: tf.Tensor) -> tf.Tensor:
        if logits.dtype == self.dtype:
            return logits
        raise UserError(f"the network computes in {logits.dtype.name}, the cell asks for {self.dtype.name}")

    def loss_and_gradients(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """This replica's loss, and the gradients averaged over replicas, in the order of the optimizer's parameters."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.optimizer.parameters)
            loss = self.loss(batch)
            share = loss * tf.cast(self.scale, loss.dtype) / self.num_sharing
        # an embedding's gradient comes as rows: summed up and made dense, as the optimizer squares the sum
        gradients = [tf.convert_to_tensor(each) for each in tape.gradient(share, self.optimizer.parameters)]
        context = tf.distribute.get_replica_context()
        if self.exchange:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        return loss, gradients

    def train(self, batch: Batch, learning_rate: float) -> tf.Tensor:
        """One optimizer step; the loss before it (a scalar tensor that nobody has waited for)."""
        if self.average is not None:
            self.average.num_steps += 1
        return self._train(batch, tf.constant(learning_rate, tf.float64))

    def backward(self, batch: Batch) -> tf.Tensor:
        """The loss (each replica's own); its gradients are computed and thrown away."""
        loss, _ = self._backward(batch)
        return loss

    def updates(self, batch: Batch) -> Callable[[], None]:
        """What makes the optimizer's step with a batch's gradients, at a learning rate of 0, again and again."""
        _, gradients = self._backward(batch)
        # each replica's own are captured: handed over as arguments, taking them apart would cost as much as the update
        shares = [self.strategy.experimental_local_results(gradient) for gradient in gradients]

        def replica(learning_rate: tf.Tensor) -> None:
            number = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
            self._apply([share[number] for share in shares], learning_rate)

        @tf.function(autograph=False)
        def update() -> None:
            self.strategy.run(replica, args=(tf.constant(0.0, tf.float64),))

        return update

    def _every(self) -> list[tf.Variable]:
        """Every variable of the network, of what is not trained too."""
        return list(self.network.variables)

    def tensors(self) -> list[tf.Tensor]:
        """A copy of every tensor of the network, of the first replica."""
        return [tf.identity(self.strategy.experimental_local_results(variable)[0]) for variable in self._every()]

    def put(self, tensors: list[tf.Tensor]) -> None:
        """Put what `tensors` returned in the network's place, on every replica."""
        for variable, value in zip(self._every(), tensors, strict=True):
            for of_replica in self.strategy.experimental_local_results(variable):
                of_replica.assign(value)

    def averaged(self) -> AbstractContextManager[None]:
        """With the average of the weights (`shared.average`) in their place, where there is one."""
        return nullcontext() if self.average is None else self.average.in_place()

    def settle(self) -> None:
        """Leave the average in the weights' place, where there is one; without an average from now on."""
        if self.average is not None:
            self.average.take_over()
        self.average = None

    def predict(self, batch: Batch) -> list[tf.Tensor]:
        """Logits (N, ..., K) of each replica's batch, evaluation mode."""
        return list(self.strategy.experimental_local_results(self._predict(batch)))

    def trace(self, batches: Iterable[Batch]) -> None:
        """Compile the training step for batches of these shapes, without taking one."""
        for batch in batches:
            self._train.get_concrete_function(batch, tf.constant(0.0, tf.float64))

    def num_traces(self) -> int:
        """How often the training step was compiled so far."""
        return int(self._train.experimental_get_tracing_count())

    def _train_all(self, batch: Batch, learning_rate: tf.Tensor) -> tf.Tensor:
        losses = self.strategy.run(self._train_replica, args=(batch, learning_rate))
        return self.strategy.experimental_local_results(losses)[0]

    def _train_replica(self, batch: Batch, learning_rate: tf.Tensor) -> tf.Tensor:
        loss, gradients = self.loss_and_gradients(batch)
        self._apply(gradients, learning_rate)
        return loss

    def _apply(self, gradients: list[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """The optimizer's step with scaled gradients, within a replica."""
        finite = None
        if self.scaled:
            gradients = [gradient / self.scale for gradient in gradients]
            finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        self.optimizer.apply(gradients, learning_rate, finite)
        if self.average is not None:
            self.average.update()
        if self.scaled:
            self._rescale(finite)

    def _backward_all(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        # everything of every replica: what is not handed out is left out of the graph, the backward pass with it
        return self.strategy.run(self.loss_and_gradients, args=(batch,))

    def _rescale(self, finite: tf.Tensor) -> None:
        """Move the loss scale by the rule of shared.loss_scale."""
        none = tf.constant(0, tf.int64)
        good_steps = tf.where(finite, self.good_steps + 1, none)
        grown = good_steps >= loss_scale.INTERVAL
        factor = tf.where(finite, tf.where(grown, loss_scale.GROWTH, 1.0), loss_scale.BACKOFF)

        def move(strategy: tf.distribute.Strategy, factor: tf.Tensor, good_steps: tf.Tensor) -> None:
            strategy.extended.update(self.scale, lambda v, f: v.assign(v * f), args=(factor,), group=False)
            strategy.extended.update(self.good_steps, lambda v, n: v.assign(n), args=(good_steps,), group=False)

        tf.distribute.get_replica_context().merge_call(move, args=(factor, tf.where(grown, none, good_steps)))

    def _predict_all(self, batch: Batch) -> tf.Tensor:
        return self.strategy.run(self._predict_replica, args=(batch,))

    def _predict_replica(self, batch: Batch) -> tf.Tensor:
        return tf.cast(self.logits(self.inputs(batch, training=False)), tf.float32)

    def logits(self, inputs: Any) -> tf.Tensor:
        """Logits in evaluation mode; those of several heads flat, one behind the other (N, K)."""
        heads = heads_of(self.network(inputs, None, training=False))
        return heads[0] if len(heads) == 1 else tf.concat([tf.reshape(head, [head.shape[0], -1]) for head in heads], 1)
