"""What the EfficientNet wings are timed against."""

from __future__ import annotations

from shared.contest import PIPELINE_RATIOS, Contest, Ratio, contestants_of

CONTEST = Contest(
    workload="effnet-b0",
    contestants=(*contestants_of("pt"), *contestants_of("tf")),
    ratios=(
        Ratio("pt-wing", "pt-peer", 2.0),
        Ratio("pt-wing", "pt-peer-tuned", 1.05),
        Ratio("tf-wing", "tf-peer", 1.4),
        *PIPELINE_RATIOS,
    ),
    batch=8,
    loop="        for index, block in enumerate(self.blocks):\n",
    copies={"pt": "x.flip(2).flip(2)", "tf": "tf.reverse(tf.reverse(x, [1]), [1])"},
)
