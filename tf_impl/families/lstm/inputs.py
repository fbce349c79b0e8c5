"""What is dropped of a batch for a bidirectional LSTM. Mirror: `pt_impl/families/lstm/inputs.py`.

Legend: N texts, T words, V words of the vocabulary, H features of a direction.
"""

from __future__ import annotations

import tensorflow as tf

from shared.dropout import scale, threshold
from shared.families.lstm.architecture import RECURRENT_PLACE, ROWS_PLACE, Architecture
from tf_impl.dropout import Dropout


class Drops:
    """What is drawn of each text, and what is drawn once for a step."""

    def __init__(self, drop_keys: tf.Tensor, step_keys: tf.Tensor) -> None:
        """
        Args:
            drop_keys, step_keys: of `shared.families.lstm.batch.TextBatch`.
        """
        self.of_texts, self._of_step = Dropout(drop_keys), Dropout(step_keys[:1])

    def word_factors(self, tokens: tf.Tensor, arch: Architecture, dtype: tf.DType) -> tf.Tensor | None:
        """The factor of every word of some texts (N, T): the same wherever a word of the vocabulary stands, 0 where it
        is dropped; None: none is."""
        if not threshold(arch.embedding_dropout):
            return None
        kept = tf.cast(self._kept_words(arch), dtype) * scale(arch.embedding_dropout)
        return tf.gather(kept, tokens)

    def recurrent(self, weight: tf.Tensor, arch: Architecture) -> tf.Tensor:
        """The forward direction's recurrent matrix (H, 4H), some weights dropped."""
        if not threshold(arch.weight_drop):
            return tf.convert_to_tensor(weight)
        kept = tf.transpose(self._kept_weights(arch))
        return weight * (tf.cast(kept, weight.dtype) * scale(arch.weight_drop))

    def kept(self, arch: Architecture) -> dict[str, tf.Tensor]:
        """What stays (uint8), by name, of whatever something is dropped of."""
        kept = {
            f"kept.{place}": self.of_texts.kept(place, rate, 1, arch.num_features)
            for place, rate in arch.drop_rates.items()
        }
        if threshold(arch.embedding_dropout):
            kept["kept.words"] = self._kept_words(arch)
        if threshold(arch.weight_drop):
            kept["kept.recurrent"] = self._kept_weights(arch)
        return kept

    def _kept_words(self, arch: Architecture) -> tf.Tensor:
        return self._of_step.kept(ROWS_PLACE, arch.embedding_dropout, 1, arch.vocabulary_size)[0, 0]

    def _kept_weights(self, arch: Architecture) -> tf.Tensor:
        return self._of_step.kept(RECURRENT_PLACE, arch.weight_drop, *arch.recurrent_shape)[0]
