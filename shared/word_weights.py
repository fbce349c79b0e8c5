"""Weights of networks that read whole words: their seeded start, and word vectors that were trained elsewhere.

Legend: V words of the vocabulary, D features of a word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from shared.draws import Purpose, uniform, words
from shared.errors import UserError
from shared.family import Shapes, Weights
from shared.sections import WordModel
from shared.store_facts import StoreFacts
from shared.transformer import vocabulary_of
from shared.word_tokens import PAD_ID

TRAINED, STATIC = "embedding.weight", "embedding.vectors"  # canonical names of the word vectors
VECTOR_BOUND = 0.25  # of the random vectors, as in the code that Adhikari et al. released


def vector_shapes(vocabulary_size: int, vector_size: int, static: bool) -> Shapes:
    """The word vectors by canonical name; static ones are a statistic of the data (`shared.family.Family`)."""
    return {STATIC if static else TRAINED: (vocabulary_size, vector_size)}


def uniform_weights(shapes: Shapes, bounds: Mapping[str, float], seed: int) -> Weights:
    """Seeded float32 weights: word vectors and whatever `bounds` names uniform between minus and plus its bound.

    The padding's vector is 0. Every tensor has a stream of its own, by its place among the shapes.

    Args:
        bounds: canonical name to bound, of every tensor but the word vectors.
    """
    weights: Weights = {}
    for item, (name, shape) in enumerate(shapes.items()):
        bound = VECTOR_BOUND if name in (TRAINED, STATIC) else bounds[name]
        draws = uniform(words(seed, Purpose.WEIGHTS, 0, item, math.prod(shape))).reshape(shape)
        weights[name] = ((2.0 * draws - 1.0) * bound).astype(np.float32)
        if name in (TRAINED, STATIC):
            weights[name][PAD_ID] = 0.0
    return weights


def fan_in_bounds(shapes: Shapes) -> dict[str, float]:
    """The bound of every layer's weight and bias, PyTorch's default: 1 / sqrt(inputs of one of its outputs)."""
    bounds = {}
    for name in shapes:
        layer, _, kind = name.rpartition(".")
        weight = shapes.get(f"{layer}.weight")
        if kind in ("weight", "bias") and weight is not None and name not in (TRAINED, STATIC):
            bounds[name] = 1.0 / math.sqrt(math.prod(weight[1:]))
    return bounds


def with_vectors(weights: Weights, vectors: np.ndarray) -> Weights:
    """The weights with other word vectors (float32, V x D).

    Raises:
        UserError: vectors of another vocabulary or of another width than the network's.
    """
    name = STATIC if STATIC in weights else TRAINED
    if vectors.shape != weights[name].shape:
        raise UserError(
            f"the store's word vectors are {vectors.shape[0]} x {vectors.shape[1]}, the network's {name} is "
            f"{weights[name].shape[0]} x {weights[name].shape[1]}: set model.vocabulary_size and model.vector_size"
        )
    return weights | {name: vectors}


def fit_words(facts: StoreFacts, model: WordModel) -> dict[str, tuple[Any, str]]:
    """What a store changes of a workload by its vocabulary and its word vectors, see `shared.family.Family.fit`.

    Static vectors that nobody has trained would be noise that stays: without vectors, random ones are trained.
    """
    changes = vocabulary_of(facts, model.vocabulary_size)
    theirs, ours = facts.vector_size, model.vector_size
    if theirs is None and model.static_vectors:
        line = "no word vectors are given (--vectors): random ones, which are trained"
        changes["model.static_vectors"] = (False, line)
    if theirs is not None and theirs != ours:
        changes["model.vector_size"] = (theirs, f"the word vectors have {theirs} features, the workload's {ours}")
    return changes
