"""A bidirectional LSTM with the maximum over time (LSTM_reg): what Adhikari et al. (DocBERT, 2019) distil BERT into."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.lstm import architecture as structure
from shared.families.lstm import start
from shared.families.lstm.architecture import Architecture
from shared.families.lstm.batch import TextBatch, text_batch, with_step_keys
from shared.families.lstm.settings import LstmWorkload
from shared.family import Description, Drawn, Family, Shapes, Weights
from shared.modalities import Modality, Words, bucket, longest_text
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.word_weights import STATIC, fit_words, with_vectors

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder


class Lstm(Family[LstmWorkload, Architecture, TextBatch]):
    """A bidirectional LSTM, the maxima of its states over time, and a linear classifier."""

    name = "lstm"
    workload = LstmWorkload
    sizes = ("num_classes", "vocabulary_size")

    def modalities(self, workload: LstmWorkload) -> tuple[Modality, ...]:
        return (Words(workload.input.max_words, workload.model.vocabulary_size),)

    def describe(self, workload: LstmWorkload) -> Description:
        model, width = workload.model, workload.input.max_words
        return Description(f"{self.name} 2 x {model.hidden_size}", f"at most {width} words", "text", float(width))

    def fit(self, workload: LstmWorkload, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        return fit_words(facts, workload.model)

    def architecture(self, workload: LstmWorkload) -> Architecture:
        model = workload.model
        return Architecture(
            hidden_size=model.hidden_size,
            vocabulary_size=model.vocabulary_size,
            vector_size=model.vector_size,
            static_vectors=model.static_vectors,
            num_classes=model.num_classes,
            dropout=model.dropout,
            weight_drop=model.weight_drop,
            embedding_dropout=model.embedding_dropout,
        )

    def parameter_shapes(self, arch: Architecture) -> Shapes:
        return structure.parameter_shapes(arch)

    def is_statistic(self, name: str) -> bool:
        return name == STATIC

    def initial_weights(self, arch: Architecture, seed: int) -> Weights:
        return start.initial_weights(arch, seed)

    def with_vectors(self, weights: Weights, vectors: np.ndarray) -> Weights:
        return with_vectors(weights, vectors)

    def batch(
        self, store: Store, workload: LstmWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> TextBatch:
        return text_batch(store, workload, samples, size, drawn, width)

    def drawn_for_a_step(self, batch: TextBatch, seed: int, step: int) -> TextBatch:
        return with_step_keys(batch, seed, step)

    def widths(self, workload: LstmWorkload) -> tuple[int, ...]:
        return (*sorted(workload.input.buckets), workload.input.max_words)

    def width(self, store: Store, workload: LstmWorkload, samples: np.ndarray) -> int:
        return bucket(longest_text(store, samples), workload.input.max_words, workload.input.buckets)

    def smallest(self, batch: TextBatch) -> TextBatch:
        """One text of one word."""
        one = TextBatch(*(array[:1] for array in batch))
        return one._replace(tokens=one.tokens[:, :1])

    def num_tokens(self, store: Store, samples: np.ndarray) -> int:
        assert store.lengths is not None, "the plan gives a store what its workload reads"
        return int(store.lengths[samples].sum())

    def without_drops(self, workload: LstmWorkload) -> LstmWorkload:
        drops = ("dropout", "weight_drop", "embedding_dropout")
        return workload.overridden({f"model.{drop}": 0.0 for drop in drops}, "without drops")

    def one_width(self, workload: LstmWorkload) -> LstmWorkload:
        if not workload.input.buckets:
            return workload
        return workload.overridden({"input.buckets": ()}, "one width")

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.num_features

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.lstm.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.lstm.contest import CONTEST

        return CONTEST


FAMILY = Lstm()
