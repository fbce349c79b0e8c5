"""`keras.applications`' EfficientNet in a loop as its user would write it.

Mirror: `pt_impl/families/efficientnet/peer.py`.
"""

from __future__ import annotations

import tensorflow as tf

from shared.families.efficientnet.settings import of_family
from shared.protocol import Cell
from tf_impl.family import Train


def peer_step(cell: Cell) -> Train:
    """`keras.applications`' EfficientNetB0 on a resident float batch, in a `tf.function`, all else left alone."""
    import keras

    workload = of_family(cell.workload)
    size, batch = workload.input.image_size, workload.train.batch_per_replica
    classes, settings = workload.model.num_classes, workload.optimizer
    network = keras.applications.EfficientNetB0(weights=None, classes=classes, input_shape=(size, size, 3))
    optimizer = keras.optimizers.SGD(0.1, momentum=settings.momentum, weight_decay=settings.weight_decay)
    optimizer.build(network.trainable_variables)
    entropy = keras.losses.SparseCategoricalCrossentropy()
    images = tf.random.uniform((batch, size, size, 3), 0.0, 255.0)
    labels = tf.random.uniform((batch,), 0, classes, tf.int32)

    @tf.function
    def train(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = entropy(labels, network(images, training=True))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return loss

    def step(learning_rate: float) -> tf.Tensor:
        optimizer.learning_rate.assign(learning_rate)
        return train(images, labels)

    return step
