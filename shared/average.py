"""The exponential average of a network's weights over the steps of a training, stated once.

After step t = 1, 2, ... each averaged tensor's average a of its weights w becomes, with the decay d,

    a = a + (1 - d) * (w - a)

and what is evaluated and saved in the place of w is a / (1 - d^t): Adam's correction (Kingma and Ba, "Adam", ICLR 2015,
section 3) of an average that starts at zero. 1 - d^t is computed in float64.

Starts: `zero`, of the trained weights. `copy` is what the code does that Adhikari et al. released for "Rethinking
Complex Neural Network Architectures for Document Classification" (NAACL 2019): the average starts as a copy of the
weights and is divided all the same, so that it is too large at first (after one step, by a factor of nearly 1 / (1 -
d)), and so are tensors that nothing trains, which it averages too.

A step that half precision's loss scale skips (shared.loss_scale) counts as one that did not move the weights.
"""

from __future__ import annotations


def correction(decay: float, num_steps: int) -> float:
    """What an average is divided by after so many steps; 1 before the first.

    >>> correction(0.5, 1), correction(0.5, 3), correction(0.99, 0)
    (0.5, 0.875, 1.0)
    """
    return 1.0 - decay**num_steps if num_steps else 1.0
