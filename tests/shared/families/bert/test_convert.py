"""The names of the public BERT checkpoints."""

from __future__ import annotations

import numpy as np

from shared.families.bert.architecture import parameter_shapes
from shared.families.bert.convert import from_transformers, to_transformers, transformers_name
from tests import tiny_text

ARCH = tiny_text.architecture(tiny_text.workload())
OURS = tiny_text.weights(ARCH)
THEIRS = to_transformers(OURS)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> bool:
    return list(left) == list(right) and all(np.array_equal(left[name], right[name]) for name in left)


def test_names_are_mapped_one_to_one() -> None:
    assert len({transformers_name(name) for name in parameter_shapes(ARCH)}) == len(parameter_shapes(ARCH))


def test_there_and_back() -> None:
    assert same(from_transformers(THEIRS, ARCH), OURS)


def test_names_of_the_library() -> None:
    assert {
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.embeddings.LayerNorm.bias",
        "bert.encoder.layer.1.attention.self.key.weight",
        "bert.encoder.layer.0.attention.output.dense.bias",
        "bert.encoder.layer.0.intermediate.dense.weight",
        "bert.encoder.layer.0.output.dense.weight",
        "bert.encoder.layer.1.output.LayerNorm.weight",
        "bert.pooler.dense.weight",
        "classifier.bias",
    } <= set(THEIRS)


def test_a_bare_encoder_has_no_prefix_and_no_classifier() -> None:
    bare = {name.removeprefix("bert."): value for name, value in THEIRS.items() if not name.startswith("classifier")}
    found = from_transformers(bare, ARCH)
    assert same(found, {name: value for name, value in OURS.items() if not name.startswith("classifier")})


def test_norms_of_older_checkpoints() -> None:
    def older(name: str) -> str:
        renamed = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        return renamed.replace("LayerNorm.bias", "LayerNorm.beta")

    renamed = {older(name): value for name, value in THEIRS.items()}
    assert sum(name.endswith((".gamma", ".beta")) for name in renamed) == 10
    assert same(from_transformers(renamed, ARCH), OURS)
    assert same(from_transformers({k.removeprefix("bert."): v for k, v in renamed.items()}, ARCH), OURS)


def test_what_is_not_ours_is_passed_over_and_what_is_missing_left_out() -> None:
    more = THEIRS | {"cls.predictions.bias": np.zeros(64), "bert.encoder.layer.2.output.dense.weight": np.zeros(1)}
    del more["bert.encoder.layer.1.attention.self.key.weight"]
    found = from_transformers(more, ARCH)
    assert set(OURS) - set(found) == {"layers.1.key.weight"}
    assert set(found) < set(OURS)
