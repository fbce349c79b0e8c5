"""The off-the-shelf networks of the `native` arm; for pages `keras_cv`'s EfficientNetV1. Mirror: `pt_impl/native.py`.

As shipped: its own initial weights and a swish after the projection's batch norm, which makes it another network. It
promises nothing about equality with the other wing; it shows what a user of the library gets.
"""

from __future__ import annotations

from importlib.metadata import version

import tensorflow as tf

from shared.efficientnet import B0_STAGES, HEAD_CHANNELS, SCALING, SQUEEZE_RATIO, round_channels
from shared.protocol import Cell
from shared.spec import TextWorkload
from tf_impl.native_text import NativeTextNetwork

SETTINGS = {
    "version.keras_cv": version("keras-cv"),
    "norm_rule": "keras_cv's, as shipped",
    "padding": "keras_cv's, as shipped",
}
POLICIES = {"fp32": "float32", "bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


class NativeNetwork(tf.Module):
    """`keras_cv` EfficientNetV1 backbone and a dense classifier with the interface of the matched network."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        import keras
        import keras_cv

        model, size = cell.workload.model, cell.workload.input.image_size
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
        return tuple(self._keras_variables("variables"))

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self._keras_variables("trainable_variables"))

    def _keras_variables(self, kind: str) -> list[tf.Variable]:
        return [variable.value for layer in (self.body, self.classifier) for variable in getattr(layer, kind)]

    def features(self, images: tf.Tensor, keep_block: tf.Tensor | None, training: bool) -> tf.Tensor:
        """Images (N, H, W, 3) to features (N, F); the library draws its own drops."""
        return tf.reduce_mean(self.body(images, training=training), [1, 2])

    def classify(self, features: tf.Tensor, keep_unit: tf.Tensor | None) -> tf.Tensor:
        """Features (N, F) to logits (N, K)."""
        return self.classifier(self.dropout(features, training=keep_unit is not None))

    def __call__(
        self,
        images: tf.Tensor,
        keep_block: tf.Tensor | None = None,
        keep_unit: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """Images (N, H, W, 3) to logits (N, K)."""
        return self.classify(self.features(images, keep_block, training), keep_unit)


def network(cell: Cell) -> NativeNetwork | NativeTextNetwork:
    """The library's network for a cell, in the cell's precision: Keras's own mixed precision, weights in float32."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[cell.precision])  # layers keep that which they are built under
    try:
        return NativeTextNetwork(cell) if isinstance(cell.workload, TextWorkload) else NativeNetwork(cell)
    finally:
        keras.config.set_dtype_policy(before)
