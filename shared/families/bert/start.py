"""Seeded initial weights of BERT."""

from __future__ import annotations

import math

import numpy as np

from shared.draws import normal
from shared.families.bert.architecture import INITIAL_DEVIATION, Architecture, parameter_shapes
from shared.family import Weights


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Embeddings and linear weights normal with INITIAL_DEVIATION, norms 1, biases 0."""
    weights: Weights = {}
    for item, (name, shape) in enumerate(parameter_shapes(arch).items()):
        if len(shape) == 2:
            value = normal(seed, item, math.prod(shape)).reshape(shape) * INITIAL_DEVIATION
        else:
            value = np.full(shape, 1.0 if name.endswith("norm.weight") else 0.0)
        weights[name] = value.astype(np.float32)
    return weights
