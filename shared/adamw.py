"""The update rule of the text twins, stated once.

For every trained tensor w with gradient g of the mean loss over the *global* batch, at step t = 1, 2, ... with the
schedule's rate r, its own rate factor f and its own decay d:

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

from shared.bert import Architecture, parameter_shapes
from shared.sections import AdamW
from shared.spec import TextWorkload


def rate_factors(arch: Architecture, workload: TextWorkload) -> dict[str, float]:
    """Canonical name to the tensor's rate over the schedule's.

    The classifier has its own rate; the encoder's last layer and the pooler have the schedule's; every layer below has
    `layer_decay` times the one above it, the embeddings come last (paper section 4.2, after Sun et al., "How to
    fine-tune BERT for text classification", 2019, section 3.3).
    """
    settings = workload.optimizer
    factors = {}
    for name in parameter_shapes(arch):
        part, _, rest = name.partition(".")
        if part == "classifier":
            factors[name] = settings.head_rate / workload.schedule.peak_rate
        elif part == "pooler":
            factors[name] = 1.0
        else:
            layer = int(rest.partition(".")[0]) if part == "layers" else -1
            factors[name] = settings.layer_decay ** (arch.num_layers - 1 - layer)
    return factors


def decays(name: str, settings: AdamW) -> float:
    """The weight decay of a tensor: none for biases, norms and the classifier, as in the paper's released code."""
    exempt = name.endswith(".bias") or "norm." in name or name.startswith("classifier.")
    return 0.0 if exempt else settings.weight_decay


def adamw_step(
    weight: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    gradient: np.ndarray,
    step: int,
    rate: float,
    decay: float,
    settings: AdamW,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One update of one tensor: (new weight, first moment, second moment). What the tests hold both wings to.

    Args:
        step: from 1. rate: the schedule's times the tensor's factor.
    """
    first = settings.beta1 * first + (1.0 - settings.beta1) * gradient
    second = settings.beta2 * second + (1.0 - settings.beta2) * gradient * gradient
    scale = math.sqrt(1.0 - settings.beta2**step)
    denominator = np.sqrt(second) / scale + settings.epsilon
    weight = weight * (1.0 - rate * decay)
    return weight - rate / (1.0 - settings.beta1**step) * first / denominator, first, second
