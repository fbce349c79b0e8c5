"""The library's layers in a loop as their user would write it. Mirror: `pt_impl/families/lstm/peer.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.batches import TrainBatches
from shared.families.lstm.batch import TextBatch
from shared.protocol import Cell
from shared.session import open_cell_store
from tf_impl import data, replicas
from tf_impl.families.lstm.native import NativeNetwork
from tf_impl.family import Train
from tf_impl.words import Inputs, network_inputs


def peer_step(cell: Cell) -> Train:
    """The network on a resident batch, in a `tf.function`, with Keras's optimizer."""
    import keras

    group = replicas.start(cell)
    network = NativeNetwork(cell)
    optimizer = keras.optimizers.Adam(0.1)
    parameters = [variable for layer in network.layers.values() for variable in layer.trainable_variables]
    optimizer.build(parameters)
    batch = data.resident(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, 1).batch, group)
    assert isinstance(batch, TextBatch)
    several = len(batch.labels.shape) == 2
    losses = keras.losses
    entropy = losses.BinaryCrossentropy(True) if several else losses.SparseCategoricalCrossentropy(True)

    @tf.function
    def train(inputs: Inputs, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            features = network.features(inputs, None, training=True)
            loss = entropy(labels, network.classifier(network.dropout(features, training=True)))
        gradients = tape.gradient(loss, [parameter.value for parameter in parameters])
        optimizer.apply_gradients(zip(gradients, parameters, strict=True))
        return loss

    inputs = network_inputs(batch, tf.float32)

    def step(learning_rate: float) -> tf.Tensor:
        optimizer.learning_rate.assign(learning_rate)
        return train(inputs, batch.labels)

    return step
