"""Seeded initial weights of hierarchical attention."""

from __future__ import annotations

import math

from shared.families.han.architecture import Architecture, parameter_shapes
from shared.family import Weights
from shared.word_weights import fan_in_bounds, uniform_weights

CONTEXT_BOUNDS = {"words.context": 0.25, "sentences.context": 0.1}  # as in the code that Adhikari et al. released


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Word vectors and contexts as in the code that Adhikari et al. released, the rest as PyTorch starts such layers: a
    GRU's tensors uniform with 1 / sqrt(hidden size) as the bound."""
    shapes = parameter_shapes(arch)
    recurrent = {
        name: 1.0 / math.sqrt(hidden)
        for level, _, hidden in arch.level_sizes
        for name in shapes
        if name.startswith(f"{level}.gru.")
    }
    return uniform_weights(shapes, fan_in_bounds(shapes) | recurrent | CONTEXT_BOUNDS, seed)
