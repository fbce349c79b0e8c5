"""What the LayoutLMv2 wings are timed against. TensorFlow has no library that implements it."""

from __future__ import annotations

from shared.contest import PIPELINE_RATIOS, Contest, Ratio, contestants_of

CONTEST = Contest(
    workload="layoutlmv2-base",
    contestants=(
        *contestants_of("pt"),
        *(each for each in contestants_of("tf") if each.kind != "peer"),
    ),
    ratios=(Ratio("pt-wing", "pt-peer", 1.2), Ratio("pt-wing", "pt-peer-tuned", 1.2), *PIPELINE_RATIOS),
    batch=2,
    loop="        for layer in lower:\n",
    # TensorFlow's grappler would cancel two transpositions
    copies={
        "pt": "x.transpose(1, 2).contiguous().transpose(1, 2).contiguous()",
        "tf": "tf.reverse(tf.reverse(x, [1]), [1])",
    },
)
