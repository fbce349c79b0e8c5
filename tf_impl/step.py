"""One training step and one evaluation step. Mirror: `pt_impl/step.py`."""

from __future__ import annotations

import tensorflow as tf

from shared import loss_scale
from shared.spec import Workload
from tf_impl.augment import network_input
from tf_impl.model import EfficientNet
from tf_impl.optimizer import Sgd

COMPUTE_DTYPES = {"fp32": tf.float32, "bf16": tf.bfloat16, "fp16": tf.float16, "fp64": tf.float64}

Batch = tuple[tf.Tensor, ...]  # the tensors of shared.batches.FIELDS, one value a replica


class Step:
    """Trains and evaluates a network on batches of all replicas, under the strategy whose scope it is made in.

    Gradients are those of the mean loss over the global batch: each replica divides the sum over its own samples by the
    global batch, and the gradients are summed over replicas. (`fit` and `Optimizer.apply` would sum means.)
    """

    def __init__(self, network: EfficientNet, workload: Workload, precision: str, replicas: int) -> None:
        self.network = network
        self.workload = workload
        self.dtype = COMPUTE_DTYPES[precision]
        self.replicas = replicas
        self.frozen = False
        self.training_norm = workload.model.norm_statistics == "batch"
        self.drops_blocks = workload.model.drop_connect > 0
        self.drops_units = workload.model.dropout > 0
        self.exact = tf.float64 if self.dtype == tf.float64 else tf.float32
        self.strategy = tf.distribute.get_strategy()
        self.scaled = precision == "fp16"
        self.scale = tf.Variable(loss_scale.INITIAL_SCALE if self.scaled else 1.0, trainable=False)
        self.good_steps = tf.Variable(0, trainable=False)
        self._prepare(network)

    def _prepare(self, trained: tf.Module) -> None:
        self.optimizer = Sgd(trained.trainable_variables, self.workload.optimizer)
        self._train = tf.function(self._train_all)
        self._evaluate = tf.function(self._evaluate_all)

    def freeze(self) -> None:
        """Train nothing but the classifier from now on; the rest runs in inference mode."""
        self.frozen = True
        with self.strategy.scope():
            self._prepare(self.network.classifier)

    def images(self, batch: Batch, augment: bool) -> tf.Tensor:
        """The network's input (N, H, W, 3) for a batch."""
        settings = self.workload.input
        shear = batch[3] if augment and settings.shear_degrees else None
        return network_input(batch[0], shear, settings.mean, settings.std, self.dtype)

    def loss(self, batch: Batch) -> tf.Tensor:
        """Mean cross-entropy over this replica's samples, training mode."""
        _, labels, _, _, keep_block, keep_unit = batch
        images = self.images(batch, augment=True)
        keep_block = keep_block if self.drops_blocks else None
        keep_unit = keep_unit if self.drops_units else None
        if self.frozen:
            features = tf.stop_gradient(self.network.features(images, None, training=False))
            logits = self.network.classify(features, keep_unit)
        else:
            logits = self.network(images, keep_block, keep_unit, training=self.training_norm)
        return tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=tf.cast(logits, self.exact))
        )

    def loss_and_gradients(self, batch: Batch) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """The loss and its gradients, averaged over replicas, in the order of the optimizer's parameters."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.optimizer.parameters)
            loss = self.loss(batch)
            share = loss * tf.cast(self.scale, loss.dtype) / self.replicas
        gradients = tape.gradient(share, self.optimizer.parameters)
        context = tf.distribute.get_replica_context()
        if self.replicas > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            loss = context.all_reduce(tf.distribute.ReduceOp.MEAN, loss)
        return loss, gradients

    def train(self, batch: Batch, rate: float) -> tf.Tensor:
        """One optimizer step; the loss before it (a scalar tensor that nobody has waited for)."""
        return self._train(batch, tf.constant(rate, self.exact))

    def evaluate(self, batch: Batch) -> tf.Tensor:
        """(correct, total, summed loss) over the real rows of all replicas' batches, float64."""
        return self._evaluate(batch)

    def _train_all(self, batch: Batch, rate: tf.Tensor) -> tf.Tensor:
        losses = self.strategy.run(self._train_replica, args=(batch, rate))
        return self.strategy.experimental_local_results(losses)[0]

    def _train_replica(self, batch: Batch, rate: tf.Tensor) -> tf.Tensor:
        loss, gradients = self.loss_and_gradients(batch)
        finite = None
        if self.scaled:
            gradients = [gradient / self.scale for gradient in gradients]
            finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        self.optimizer.apply(gradients, rate, finite)
        if self.scaled:
            self._rescale(finite)
        return loss

    def _rescale(self, finite: tf.Tensor) -> None:
        """Move the loss scale by the rule of shared.loss_scale."""
        good_steps = tf.where(finite, self.good_steps + 1, 0)
        grown = good_steps >= loss_scale.INTERVAL
        factor = tf.where(finite, tf.where(grown, loss_scale.GROWTH, 1.0), loss_scale.BACKOFF)

        def move(strategy: tf.distribute.Strategy, factor: tf.Tensor, good_steps: tf.Tensor) -> None:
            strategy.extended.update(self.scale, lambda v, f: v.assign(v * f), args=(factor,), group=False)
            strategy.extended.update(self.good_steps, lambda v, n: v.assign(n), args=(good_steps,), group=False)

        tf.distribute.get_replica_context().merge_call(move, args=(factor, tf.where(grown, 0, good_steps)))

    def _evaluate_all(self, batch: Batch) -> tf.Tensor:
        counts = self.strategy.run(self._evaluate_replica, args=(batch,))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, counts, axis=None)

    def _evaluate_replica(self, batch: Batch) -> tf.Tensor:
        labels, weight = batch[1], batch[2]
        logits = tf.cast(self.network(self.images(batch, augment=False)), tf.float32)
        correct = tf.cast(tf.argmax(logits, 1, tf.int32) == labels, tf.float32) * weight
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits) * weight
        return tf.cast(tf.stack([tf.reduce_sum(correct), tf.reduce_sum(weight), tf.reduce_sum(loss)]), tf.float64)
