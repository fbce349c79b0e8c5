"""Seeded initial weights of LayoutLMv2."""

from __future__ import annotations

import math

import numpy as np

from shared.draws import normal
from shared.families.layoutlmv2.architecture import INITIAL_DEVIATION, Architecture, parameter_shapes
from shared.family import Weights

# Of the norm behind a block's last convolution. The norms are constants, so nothing would keep a map's size from
# doubling with each of 33 blocks; a release's weights bring norms of their own.
BRANCH_SCALE = 0.25


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Convolutions normal by their outputs (He et al., 2015), as detectron2 starts them; every other weight normal with
    INITIAL_DEVIATION; norms 1, biases 0."""
    weights: Weights = {}
    for item, (name, shape) in enumerate(parameter_shapes(arch).items()):
        if len(shape) == 1:
            one = name.endswith(("norm.weight", "running_var"))
            value = np.full(shape, BRANCH_SCALE if name.endswith(".expand.norm.weight") else float(one))
        else:
            deviation = math.sqrt(2.0 / (shape[0] * math.prod(shape[2:]))) if len(shape) == 4 else INITIAL_DEVIATION
            value = normal(seed, item, math.prod(shape)).reshape(shape) * deviation
        weights[name] = value.astype(np.float32)
    return weights
