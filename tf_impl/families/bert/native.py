"""The `native` arm's BERT: `keras_hub`'s, and `tensorflow_text`. Mirror: `pt_impl/families/bert/native.py`.

As shipped: its own initial weights, tanh-GELU, its own draws of dropout; `FastBertTokenizer` in the graph, whose ids
are not always the other wing's (`bench verify` counts them).
"""

from __future__ import annotations

from importlib.metadata import version

import tensorflow as tf

from shared.batches import EvalBatches, TrainBatches
from shared.families import family_of
from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.batch import TextBatch
from shared.families.bert.convert import keras_hub_name
from shared.families.bert.settings import of_family
from shared.modalities import text_strings
from shared.protocol import Cell
from shared.store import VOCABULARY
from tf_impl.dropout import Dropout
from tf_impl.families.bert.inputs import Inputs
from tf_impl.precision import in_precision_of
from tf_impl.tokenizer import Tokenizer

SETTINGS = {
    "version.keras_hub": version("keras-hub"),
    "attention": "keras_hub's",
    "gelu": "tanh approximation",
    "tokenizer": "tensorflow_text FastBertTokenizer, in the graph",
}


class NativeNetwork(tf.Module):
    """`keras_hub` BertBackbone and a dense classifier with the interface of the matched network."""

    @in_precision_of
    def __init__(self, cell: Cell) -> None:
        super().__init__()
        import keras
        import keras_hub

        workload = of_family(cell.workload)
        model = workload.model
        self.arch = family_of(cell.workload).architecture(cell.workload)
        keras.utils.set_random_seed(cell.seed)
        self.body = keras_hub.models.BertBackbone(
            vocabulary_size=model.vocabulary_size,
            num_layers=model.num_layers,
            num_heads=model.num_heads,
            hidden_dim=model.hidden_size,
            intermediate_dim=model.intermediate_size,
            dropout=model.hidden_dropout,
            max_sequence_length=model.max_positions,
        )
        self.dropout = keras.layers.Dropout(model.classifier_dropout)
        self.classifier = keras.layers.Dense(model.num_classes, name="classifier")
        self.classifier.build((None, model.hidden_size))

    @property
    def variables(self) -> tuple[tf.Variable, ...]:
        """All of the library's variables (tf.Module does not look into Keras layers)."""
        return tuple(variable.value for layer in (self.body, self.classifier) for variable in layer.variables)

    @property
    def trainable_variables(self) -> tuple[tf.Variable, ...]:
        """Those that are trained."""
        return tuple(self.canonical_parameters().values())

    def canonical_parameters(self) -> dict[str, tf.Variable]:
        """The library's parameters by canonical name."""
        layers = (self.body, self.classifier)
        theirs = {variable.path: variable.value for layer in layers for variable in layer.trainable_variables}
        return {name: theirs[keras_hub_name(name)] for name in parameter_shapes(self.arch)}

    def features(self, inputs: Inputs, drops: Dropout | None, training: bool) -> tf.Tensor:
        """Texts to features (N, H); the library draws its own drops."""
        theirs = {
            "token_ids": inputs.tokens,
            "segment_ids": tf.zeros_like(inputs.tokens),
            "padding_mask": tf.cast(inputs.bias[:, 0, 0] == 0, tf.int32),
        }
        return self.body(theirs, training=training)["pooled_output"]

    def classify(self, features: tf.Tensor, drops: Dropout | None) -> tf.Tensor:
        """Features (N, H) to logits (N, K)."""
        return self.classifier(self.dropout(features, training=drops is not None))

    def __call__(self, inputs: Inputs, drops: Dropout | None = None, training: bool = False) -> tf.Tensor:
        """Texts to logits (N, K)."""
        return self.classify(self.features(inputs, drops, training), drops)


class NativeTexts:
    """Batches that the library's own tokeniser makes of the texts, ahead of the step."""

    def __init__(self, batches: TrainBatches | EvalBatches, cell: Cell) -> None:
        self.batches = batches
        store, settings = batches.store, of_family(cell.workload).input
        self._tokenizer = Tokenizer(store.path / VOCABULARY, settings.max_tokens, settings.truncation, "fast")

    def batch(self, step: int, replica: int) -> TextBatch:
        """A replica's texts of a step."""
        samples = self.batches.samples(step, replica)
        batch = self.batches.batch(step, replica)
        assert isinstance(batch, TextBatch)
        return batch._replace(tokens=text_strings(self.batches.store, samples, len(batch.tokens)))

    def finish(self, batch: TextBatch) -> TextBatch:
        """The texts as tokens; called in the graph of the input pipeline."""
        tokens, lengths = self._tokenizer(batch.tokens)
        return batch._replace(tokens=tokens, lengths=lengths)
