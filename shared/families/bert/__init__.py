"""BERT on texts (Devlin et al., NAACL 2019), the text model of Ferrando et al. (ICCS 2020), section 4.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shared.families.bert import architecture as structure
from shared.families.bert import convert, start
from shared.families.bert.architecture import Architecture
from shared.families.bert.batch import TextBatch, text_batch
from shared.families.bert.settings import BertWorkload
from shared.family import Description, Drawn, Family, ParameterGroup, Shapes, Weights
from shared.modalities import Modality, Tokens, bucket, longest_text
from shared.store import Store
from shared.store_facts import StoreFacts
from shared.transformer import layered_groups, vocabulary_of

if TYPE_CHECKING:
    from shared.contest import Contest
    from shared.ladder import Ladder

DEFAULT_HEADS = 12  # of `transformers`' BertConfig; every other default is what our networks have


class Bert(Family[BertWorkload, Architecture, TextBatch]):
    """BERT of any size, with a classifier on its pooled [CLS]."""

    name = "bert"
    workload = BertWorkload
    sizes = ("num_classes", "vocabulary_size")
    checkpoints = ("bert-6l", "bert-base", "bert-large")  # workloads
    own_classifier = False

    def modalities(self, workload: BertWorkload) -> tuple[Modality, ...]:
        settings = workload.input
        return (Tokens(settings.max_tokens, settings.truncation, workload.model.vocabulary_size),)

    def describe(self, workload: BertWorkload) -> Description:
        model, width = workload.model, workload.input.max_tokens
        network = f"{self.name} {model.num_layers} x {model.hidden_size}"
        return Description(network, f"at most {width} tokens", "text", float(width))

    def fit(self, workload: BertWorkload, facts: StoreFacts) -> dict[str, tuple[Any, str]]:
        """The vocabulary that its tokens are of."""
        return vocabulary_of(facts, workload.model.vocabulary_size)

    def architecture(self, workload: BertWorkload) -> Architecture:
        model = workload.model
        return Architecture(
            num_layers=model.num_layers,
            hidden_size=model.hidden_size,
            num_heads=model.num_heads,
            intermediate_size=model.intermediate_size,
            max_positions=model.max_positions,
            vocabulary_size=model.vocabulary_size,
            num_classes=model.num_classes,
            norm_epsilon=model.norm_epsilon,
            hidden_dropout=model.hidden_dropout,
            classifier_dropout=model.classifier_dropout,
        )

    def parameter_shapes(self, arch: Architecture) -> Shapes:
        return structure.parameter_shapes(arch)

    def initial_weights(self, arch: Architecture, seed: int) -> Weights:
        return start.initial_weights(arch, seed)

    def parameter_groups(self, arch: Architecture, workload: BertWorkload) -> dict[str, ParameterGroup]:
        """See `layered_groups`: paper section 4.2; what does not decay is that of the paper's released code."""
        settings, trained = workload.optimizer, structure.parameter_shapes(arch)
        head_factor = settings.head_rate / workload.schedule.peak_rate
        return layered_groups(trained, arch.num_layers, head_factor, settings.layer_decay, settings.weight_decay)

    def batch(
        self, store: Store, workload: BertWorkload, samples: np.ndarray, size: int, drawn: Drawn, width: int
    ) -> TextBatch:
        return text_batch(store, workload, self.architecture(workload), samples, size, drawn, width)

    def widths(self, workload: BertWorkload) -> tuple[int, ...]:
        return (*sorted(workload.input.buckets), workload.input.max_tokens)

    def width(self, store: Store, workload: BertWorkload, samples: np.ndarray) -> int:
        return bucket(longest_text(store, samples), workload.input.max_tokens, workload.input.buckets)

    def smallest(self, batch: TextBatch) -> TextBatch:
        """One text of one token."""
        one = TextBatch(*(array[:1] for array in batch))
        return one._replace(tokens=one.tokens[:, :1])

    def num_tokens(self, store: Store, samples: np.ndarray) -> int:
        assert store.lengths is not None, "the plan gives a store what its workload reads"
        return int(store.lengths[samples].sum())

    def without_drops(self, workload: BertWorkload) -> BertWorkload:
        return workload.overridden({"model.hidden_dropout": 0.0, "model.classifier_dropout": 0.0}, "without drops")

    def one_width(self, workload: BertWorkload) -> BertWorkload:
        if not workload.input.buckets:
            return workload
        return workload.overridden({"input.buckets": ()}, "one width")

    def from_transformers(self, tensors: Mapping[str, np.ndarray], arch: Architecture) -> Weights:
        return convert.from_transformers(tensors, arch)

    def leftovers(self, tensors: Iterable[str], arch: Architecture) -> list[str]:
        return convert.leftovers(tensors, arch)

    def is_transformers(self, tensors: Iterable[str]) -> bool:
        return any(name.endswith("word_embeddings.weight") for name in tensors)

    def transformers_config(self, arch: Architecture) -> dict[str, tuple[Any, Any]]:
        ours = {
            "model_type": "bert",
            "hidden_act": "gelu",
            "position_embedding_type": "absolute",
            "layer_norm_eps": arch.norm_epsilon,
        }
        alike = {name: (value, value) for name, value in ours.items()}
        return alike | {"num_attention_heads": (arch.num_heads, DEFAULT_HEADS)}

    def classifier_inputs(self, arch: Architecture) -> int:
        return arch.hidden_size

    @cached_property
    def ladder(self) -> Ladder:
        from shared.families.bert.ladder import LADDER

        return LADDER

    @cached_property
    def contest(self) -> Contest:
        from shared.families.bert.contest import CONTEST

        return CONTEST


FAMILY = Bert()
