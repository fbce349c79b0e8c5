"""The `native` arm's EfficientNet: `keras_cv`'s. Mirror: `pt_impl/families/efficientnet/native.py`.

As shipped: its own initial weights and a swish after the projection's batch norm, which makes it another network. It
promises nothing about equality with the other wing; it shows what a user of the library gets.
"""

from __future__ import annotations

from importlib.metadata import version

import tensorflow as tf

from shared.families.efficientnet.architecture import (
    B0_STAGES,
    HEAD_CHANNELS,
    SCALING,
    SQUEEZE_RATIO,
    round_channels,
)
from shared.families.efficientnet.settings import of_family
from shared.protocol import Cell
from tf_impl.families.efficientnet.inputs import Drops, Inputs
from tf_impl.precision import in_precision_of

SETTINGS = {
    "version.keras_cv": version("keras-cv"),
    "norm_rule": "keras_cv's, as shipped",
    "padding": "keras_cv's, as shipped",
}


class NativeNetwork(tf.Module):
    """`keras_cv` EfficientNetV1 backbone and a dense classifier with the interface of the matched network."""

    @in_precision_of
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        import keras
        import keras_cv

        workload = of_family(cell.workload)
        model, size = workload.model, workload.input.image_size
        width, depth, _, _ = SCALING[model.variant]
        keras.utils.set_random_seed(cell.seed)
        kernels, strides, expansions, filters_in, filters_out, repeats = zip(*B0_STAGES, strict=True)
        # the preset aliases (EfficientNetV1B0Backbone, ...) would try to download a configuration
        self.body = keras_cv.models.EfficientNetV1Backbone(
            include_rescaling=False,
            width_coefficient=width,
            depth_coefficient=depth,
            drop_connect_rate=model.drop_connect,
            input_shape=(size, size, 3),
            stackwise_kernel_sizes=list(kernels),
            stackwise_num_repeats=list(repeats),
            stackwise_input_filters=list(filters_in),
            stackwise_output_filters=list(filters_out),
            stackwise_expansion_ratios=list(expansions),
            stackwise_strides=list(strides),
            stackwise_squeeze_and_excite_ratios=[SQUEEZE_RATIO] * len(B0_STAGES),
        )
        self.dropout = keras.layers.Dropout(model.dropout)
        self.classifier = keras.layers.Dense(model.num_classes)
        self.classifier.build((None, round_channels(HEAD_CHANNELS, width)))

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All of the library's variables (tf.Module does not look into Keras layers)."""
        return tuple(variable.value for layer in (self.body, self.classifier) for variable in layer.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self.canonical_parameters().values())

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The library's parameters, by its own names; the classifier's by canonical name."""
        body = {variable.path: variable.value for variable in self.body.trainable_variables}
        classifier = {"classifier.weight": self.classifier.kernel.value, "classifier.bias": self.classifier.bias.value}
        return body | classifier

    def features(self, inputs: Inputs, drops: Drops | None, training: bool) -> tf.Tensor:
        """Images to features (N, F); the library draws its own drops."""
        return tf.reduce_mean(self.body(inputs.images, training=training), [1, 2])

    def classify(self, features: tf.Tensor, drops: Drops | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K)."""
        return self.classifier(self.dropout(features, training=drops is not None))

    def __call__(self, inputs: Inputs, drops: Drops | None = None, training: bool = False) -> tf.Tensor:
        """Images to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)
