"""Seeded initial weights of an EfficientNet."""

from __future__ import annotations

import math

import numpy as np

from shared.draws import normal
from shared.families.efficientnet.architecture import Architecture, parameter_shapes
from shared.family import Weights

# A calm start. With a wide classifier and undamped residual branches the first steps from random weights are chaotic:
# rounding errors grow tenfold per step, more in deeper variants, so that no two machines, let alone frameworks, train
# alike. A classifier near zero starts at the loss of a guess; a small scale in the last batch norm of a residual branch
# is Goyal et al., "Accurate, large minibatch SGD" (2017), section 5.1, who start it at 0.
CLASSIFIER_DEVIATION = 0.01
RESIDUAL_SCALE = 0.1


def initial_weights(arch: Architecture, seed: int) -> Weights:
    """Convolutions and squeeze layers are normal with variance 2 / fan-out (the authors' EfficientNet release), the
    classifier normal with CLASSIFIER_DEVIATION; biases and means are 0, variances 1, scales 1 or, at the end of a
    residual branch, RESIDUAL_SCALE.
    """
    weights: Weights = {}
    damped = {f"blocks.{index}.project.norm.weight" for index, block in enumerate(arch.blocks) if block.residual}
    for item, (name, shape) in enumerate(parameter_shapes(arch).items()):
        kind = name.rsplit(".", 1)[-1]
        if len(shape) == 1:
            scale = RESIDUAL_SCALE if name in damped else 1.0
            value = np.full(shape, scale if kind == "running_var" or name.endswith("norm.weight") else 0.0)
        elif name == "classifier.weight":
            value = normal(seed, item, math.prod(shape)).reshape(shape) * CLASSIFIER_DEVIATION
        else:
            channels_in = shape[1]
            depthwise = len(shape) == 4 and channels_in == 1
            fan_out = math.prod(shape[2:]) * (1 if depthwise else shape[0])
            value = normal(seed, item, math.prod(shape)).reshape(shape) * math.sqrt(2.0 / fan_out)
        weights[name] = value.astype(np.float32)
    return weights
