"""Seeded initial weights of a bidirectional LSTM."""

from __future__ import annotations

import math

from shared.families.lstm.architecture import Architecture, parameter_shapes
from shared.family import Weights
from shared.word_weights import fan_in_bounds, uniform_weights


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Word vectors as in the code that Adhikari et al. released, the rest as PyTorch starts such layers: the LSTM's
    tensors uniform with 1 / sqrt(hidden size) as the bound."""
    shapes = parameter_shapes(arch)
    bound = 1.0 / math.sqrt(arch.hidden_size)
    recurrent = {name: bound for name in shapes if name.startswith("lstm.")}
    return uniform_weights(shapes, fan_in_bounds(shapes) | recurrent, seed)
