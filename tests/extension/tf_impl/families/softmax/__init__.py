"""Softmax regression in TensorFlow. Mirror: `pt_impl/families/softmax/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
from shared.families.softmax import PixelBatch, SoftmaxWorkload

from shared.batches import TrainBatches
from shared.family import Weights
from shared.protocol import Cell
from shared.session import open_cell_store
from tf_impl import data, family, replicas
from tf_impl.layers import Linear, canonical_name


class Inputs(NamedTuple):
    images: tf.Tensor  # N x H x W


class Network(tf.Module):
    """A linear classifier."""

    def __init__(self, classifier: tf.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        return {canonical_name(variable): variable for variable in self.trainable_variables}

    def features(self, inputs: Inputs, drops: None, training: bool) -> tf.Tensor:
        return tf.reshape(inputs.images, [inputs.images.shape[0], -1])

    def classify(self, features: tf.Tensor, drops: None) -> tf.Tensor:
        return self.classifier(features)

    def __call__(self, inputs: Inputs, drops: None = None, training: bool = False) -> tf.Tensor:
        return self.classify(self.features(inputs, drops, training), drops)


class NativeNetwork(Network):
    """The library's own layer."""

    def __init__(self, cell: Cell) -> None:
        import keras

        keras.utils.set_random_seed(cell.seed)
        workload = cell.workload
        assert isinstance(workload, SoftmaxWorkload)
        layer = keras.layers.Dense(workload.model.num_classes)
        layer.build((None, workload.input.image_size**2))
        super().__init__(layer)

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        return tuple(self.canonical_parameters().values())

    trainable_variables = variables

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        return {"classifier.weight": self.classifier.kernel.value, "classifier.bias": self.classifier.bias.value}


class Family(family.Family[SoftmaxWorkload, PixelBatch, Inputs, None]):
    """The room."""

    settings: Mapping[str, Any] = {}
    native_settings: Mapping[str, Any] = {}

    def network(self, workload: SoftmaxWorkload, weights: Weights) -> Network:
        return Network(Linear(weights, "classifier"))

    def inputs(self, batch: PixelBatch, workload: SoftmaxWorkload, dtype: tf.DType, training: bool) -> Inputs:
        exact = tf.cast(batch.pixels, tf.float64 if dtype == tf.float64 else tf.float32)
        return Inputs(tf.cast((exact / 255 - workload.input.mean[0]) / workload.input.std[0], dtype))

    def drops(self, batch: PixelBatch, workload: SoftmaxWorkload) -> None:
        return None

    def observed(self, inputs: Inputs, drops: None, workload: SoftmaxWorkload) -> dict[str, tf.Tensor]:
        return {"images": inputs.images}

    def native_network(self, cell: Cell) -> NativeNetwork:
        return NativeNetwork(cell)

    def peer_step(self, cell: Cell) -> family.Train:
        import keras

        group, network = replicas.start(cell), self.native_network(cell)
        optimizer = keras.optimizers.SGD(0.1)
        workload = cell.workload
        assert isinstance(workload, SoftmaxWorkload)
        batch = data.resident(TrainBatches(open_cell_store(cell), workload, cell.seed, 1).batch, group)
        entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def train() -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = entropy(batch.labels, network(self.inputs(batch, workload, tf.float32, training=True)))
            parameters = network.classifier.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, [p.value for p in parameters]), parameters, strict=True))
            return loss

        def step(learning_rate: float) -> tf.Tensor:
            optimizer.learning_rate.assign(learning_rate)
            return train()

        return step


FAMILY = Family()
