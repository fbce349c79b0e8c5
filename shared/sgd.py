"""The update rule of both wings, stated once.

For every trained tensor w with gradient g of the mean loss over the *global* batch, momentum m, decay d, rate r:

    g' = g + d * w          (decay is L2: in the gradient, on every tensor, before the momentum)
    b  = m * b + g'         (the buffer starts at 0 and does not hold the rate)
    w  = w - r * b

This is torch.optim.SGD (dampening 0, no Nesterov), which the paper's released code uses. It is not what Keras's SGD
computes: that keeps the rate inside the buffer, which differs as soon as the rate changes, and decouples the decay.
"""

from __future__ import annotations

import numpy as np


def sgd_step(
    weight: np.ndarray, buffer: np.ndarray, gradient: np.ndarray, learning_rate: float, momentum: float, decay: float
) -> tuple[np.ndarray, np.ndarray]:
    """One update of one tensor: (new weight, new buffer). The reference that the tests hold both wings to."""
    buffer = momentum * buffer + (gradient + decay * weight)
    return weight - learning_rate * buffer, buffer
