"""`keras_hub`'s BERT in a loop as its user would write it. Mirror: `pt_impl/families/bert/peer.py`."""

from __future__ import annotations

import tensorflow as tf

from shared.batches import TrainBatches
from shared.families.bert.batch import TextBatch
from shared.protocol import Cell
from shared.session import open_cell_store
from tf_impl import data, replicas
from tf_impl.families.bert.native import NativeNetwork
from tf_impl.family import Train


def peer_step(cell: Cell) -> Train:
    """`keras_hub`'s BERT on a resident batch, in a `tf.function`, with Keras's AdamW; no attention dropout, as ours."""
    import keras

    group = replicas.start(cell)
    network = NativeNetwork(cell)
    for layer in network.body.layers:
        if hasattr(layer, "_self_attention_layer"):
            layer._self_attention_layer._dropout_layer.rate = 0.0
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=cell.workload.optimizer.weight_decay)
    parameters = network.body.trainable_variables + network.classifier.trainable_variables
    optimizer.build(parameters)
    entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    batch = data.resident(TrainBatches(open_cell_store(cell), cell.workload, cell.seed, 1).batch, group)
    assert isinstance(batch, TextBatch)
    inputs = {
        "token_ids": batch.tokens,
        "segment_ids": tf.zeros_like(batch.tokens),
        "padding_mask": tf.cast(tf.range(batch.tokens.shape[1]) < batch.lengths[:, None], tf.int32),
    }

    @tf.function
    def train(inputs: dict[str, tf.Tensor], labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            pooled = network.dropout(network.body(inputs, training=True)["pooled_output"], training=True)
            loss = entropy(labels, network.classifier(pooled))
        gradients = tape.gradient(loss, [parameter.value for parameter in parameters])
        optimizer.apply_gradients(zip(gradients, parameters, strict=True))
        return loss

    def step(learning_rate: float) -> tf.Tensor:
        optimizer.learning_rate.assign(learning_rate)
        return train(inputs, batch.labels)

    return step
