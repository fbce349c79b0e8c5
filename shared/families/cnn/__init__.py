"""Convolutions over words (KimCNN, XML-CNN), as Adhikari et al. (DocBERT, 2019) hold BERT against them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.cnn import architecture as structure
from shared.families.cnn import start
from shared.families.cnn.architecture import Architecture
from shared.families.cnn.batch import text_batch
from shared.families.cnn.settings import CnnWorkload
from shared.family import Description, Drawn, Family, Shapes, Weights
from shared.modalities import Modality, Words, bucket, longest_text
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.word_batch import WordBatch
from shared.word_weights import STATIC, fit_words, with_vectors

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder

TITLES = {"kim": "KimCNN", "xml": "XML-CNN"}


class Cnn(Family[CnnWorkload, Architecture, WordBatch]):
    """Convolutions over time of several widths, their maxima over time, and a linear classifier."""

    name = "cnn"
    workload = CnnWorkload
    sizes = ("num_classes", "vocabulary_size")

    def modalities(self, workload: CnnWorkload) -> tuple[Modality, ...]:
        return (Words(workload.input.max_words, workload.model.vocabulary_size),)

    def describe(self, workload: CnnWorkload) -> Description:
        model, width = workload.model, workload.input.max_words
        network = f"{self.name} {TITLES[model.variant]} {len(model.kernel_sizes)} x {model.num_filters}"
        return Description(network, f"at most {width} words", "text", float(width))

    def fit(self, workload: CnnWorkload, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        return fit_words(facts, workload.model)

    def architecture(self, workload: CnnWorkload) -> Architecture:
        model = workload.model
        return Architecture(
            kernel_sizes=model.kernel_sizes,
            num_filters=model.num_filters,
            num_windows=model.num_windows or 1,
            bottleneck_size=model.bottleneck_size or 0,
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
        self, store: Store, workload: CnnWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> WordBatch:
        return text_batch(store, workload, samples, size, drawn, width)

    def widths(self, workload: CnnWorkload) -> tuple[int, ...]:
        return (*sorted(workload.input.buckets), workload.input.max_words)

    def width(self, store: Store, workload: CnnWorkload, samples: np.ndarray) -> int:
        return bucket(longest_text(store, samples), workload.input.max_words, workload.input.buckets)

    def smallest(self, batch: WordBatch) -> WordBatch:
        """One text of one word."""
        one = WordBatch(*(array[:1] for array in batch))
        return one._replace(tokens=one.tokens[:, :1])

    def num_tokens(self, store: Store, samples: np.ndarray) -> int:
        assert store.lengths is not None, "the plan gives a store what its workload reads"
        return int(store.lengths[samples].sum())

    def without_drops(self, workload: CnnWorkload) -> CnnWorkload:
        return workload.overridden({"model.dropout": 0.0}, "without drops")

    def one_width(self, workload: CnnWorkload) -> CnnWorkload:
        if not workload.input.buckets:
            return workload
        return workload.overridden({"input.buckets": ()}, "one width")

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.num_features

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.cnn.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.cnn.contest import CONTEST

        return CONTEST


FAMILY = Cnn()
