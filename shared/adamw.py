"""The update rule AdamW, stated once.

For every trained tensor w with gradient g of the mean loss over the *global* batch, at step t = 1, 2, ... with the
schedule's rate r, its own rate factor f and its own decay d (`Family.parameter_groups`):

    w = w - r * f * d * w                   (decay is decoupled: Loshchilov and Hutter, "Decoupled weight decay
                                             regularization", ICLR 2019, algorithm 2)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g     (of the whole gradient: rows of an embedding that occur several times are
                                             summed before they are squared)
    w = w - r * f * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)

This is torch.optim.AdamW. Keras puts epsilon elsewhere and squares before it sums. 1 - beta^t is computed in float64:
in float32 it has lost five digits of beta2's at the first steps.
"""

from __future__ import annotations

import math

import numpy as np

from shared.sections import AdamW


def adamw_step(
    weight: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    gradient: np.ndarray,
    step: int,
    learning_rate: float,
    decay: float,
    settings: AdamW,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One update of one tensor: (new weight, first moment, second moment). What the tests hold both wings to.

    Args:
        step: from 1. learning_rate: the schedule's times the tensor's factor.
    """
    first = settings.beta1 * first + (1.0 - settings.beta1) * gradient
    second = settings.beta2 * second + (1.0 - settings.beta2) * gradient * gradient
    scale = math.sqrt(1.0 - settings.beta2**step)
    denominator = np.sqrt(second) / scale + settings.epsilon
    weight = weight * (1.0 - learning_rate * decay)
    return weight - learning_rate / (1.0 - settings.beta1**step) * first / denominator, first, second
