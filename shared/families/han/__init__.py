"""Hierarchical attention over words and sentences (HAN), as Adhikari et al. (DocBERT, 2019) hold BERT against it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.han import architecture as structure
from shared.families.han import start
from shared.families.han.architecture import Architecture
from shared.families.han.batch import SentenceBatch, num_sentences, text_batch
from shared.families.han.settings import HanWorkload
from shared.family import Description, Drawn, Family, Shapes, Weights
from shared.modalities import Modality, Words, bucket, longest_text
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.word_tokens import PAD_ID
from shared.word_weights import STATIC, fit_words, with_vectors

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder


class Han(Family[HanWorkload, Architecture, SentenceBatch]):
    """Bidirectional GRUs with attention over words and over sentences, and a linear classifier."""

    name = "han"
    workload = HanWorkload
    sizes = ("num_classes", "vocabulary_size")

    def modalities(self, workload: HanWorkload) -> tuple[Modality, ...]:
        settings = workload.input
        return (Words(settings.max_words, workload.model.vocabulary_size, settings.max_sentences),)

    def describe(self, workload: HanWorkload) -> Description:
        model, settings = workload.model, workload.input
        network = f"{self.name} {model.word_hidden_size} + {model.sentence_hidden_size}"
        sample = f"at most {settings.max_sentences} sentences of {settings.max_words} words"
        return Description(network, sample, "text", float(settings.max_sentences * settings.max_words))

    def fit(self, workload: HanWorkload, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        return fit_words(facts, workload.model)

    def architecture(self, workload: HanWorkload) -> Architecture:
        model = workload.model
        return Architecture(
            word_hidden_size=model.word_hidden_size,
            sentence_hidden_size=model.sentence_hidden_size,
            attention_size=model.attention_size,
            vocabulary_size=model.vocabulary_size,
            vector_size=model.vector_size,
            static_vectors=model.static_vectors,
            num_classes=model.num_classes,
            dropout=model.dropout,
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
        self, store: Store, workload: HanWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> SentenceBatch:
        return text_batch(store, workload, samples, size, drawn, width)

    def widths(self, workload: HanWorkload) -> tuple[int, ...]:
        """Sentences."""
        return (*sorted(workload.input.buckets), workload.input.max_sentences)

    def width(self, store: Store, workload: HanWorkload, samples: np.ndarray) -> int:
        settings = workload.input
        most = int(num_sentences(np.array(longest_text(store, samples)), settings.max_words))
        return bucket(most, settings.max_sentences, settings.buckets)

    def smallest(self, batch: SentenceBatch) -> SentenceBatch:
        """One text of one sentence of one word."""
        one = SentenceBatch(*(array[:1] for array in batch))
        return one._replace(tokens=one.tokens[:, :1, :1], word_lengths=one.word_lengths[:, :1])

    def num_tokens(self, store: Store, samples: np.ndarray) -> int:
        assert store.tokens is not None, "the plan gives a store what its workload reads"
        return int((store.tokens[samples] != PAD_ID).sum())

    def without_drops(self, workload: HanWorkload) -> HanWorkload:
        return workload.overridden({"model.dropout": 0.0}, "without drops")

    def one_width(self, workload: HanWorkload) -> HanWorkload:
        if not workload.input.buckets:
            return workload
        return workload.overridden({"input.buckets": ()}, "one width")

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.num_features

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.han.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.han.contest import CONTEST

        return CONTEST


FAMILY = Han()
