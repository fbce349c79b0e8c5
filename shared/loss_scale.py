"""Dynamic loss scaling for fp16, stated once: Micikevicius et al., "Mixed precision training", ICLR 2018, section 3.2.

The loss is multiplied by the scale before the backward pass and the gradients divided by it after their reduction. If
any gradient is not finite, the step is skipped on every replica and the scale multiplied by BACKOFF; after INTERVAL
steps in a row without one, it is multiplied by GROWTH.
"""

INITIAL_SCALE = 65536.0
GROWTH = 2.0
BACKOFF = 0.5
INTERVAL = 2000
