"""Seeded initial weights of convolutions over words."""

from __future__ import annotations

from shared.families.cnn.architecture import Architecture, parameter_shapes
from shared.family import Weights
from shared.word_weights import fan_in_bounds, uniform_weights


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Word vectors as in the code that Adhikari et al. released, the rest as PyTorch starts such layers."""
    shapes = parameter_shapes(arch)
    return uniform_weights(shapes, fan_in_bounds(shapes), seed)
